"""The home page (P3)."""

from starlette.responses import Response

from gateway.portal.operations import operation
from gateway.portal.visit import Visit

HOME = operation("""query Home { ...Shell me { families { id structure { announcements { id title body publishedAt } } } } }""")


async def home(visit: Visit) -> Response:
    await visit.ask(HOME)
    return visit.page("home.html", tab="home", announcements=visit.family["structure"]["announcements"] if visit.families else [])


PAGES = [("/", ("GET",), home)]
