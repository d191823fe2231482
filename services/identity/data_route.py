"""The file with all of a family's data, fetched without a token by a sealed link."""

from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services import files
from services.identity import portability
from services.identity.data_file import zipped
from services.identity.tables import DataRequest
from services.service import Running

NAMES = {"fr": "mes-donnees", "en": "my-data"}


async def data_file(request: Request) -> Response:
    running: Running = request.app.state.running
    facts = await files.opened(request, portability.DATA)
    if isinstance(facts, Response):
        return facts
    async with running.database.reading() as session:
        row = await session.get(DataRequest, facts["request"])
        if row is None or row.private_key is None or row.expires_at <= running.clock.now():
            return files.no(request, "LINK_EXPIRED", 410)
        told_by = await portability.everything(session, row)
    language = facts["language"]
    content = await files.in_turn(running, partial(zipped, portability.as_json(told_by, row), told_by, language))
    return files.attached(content, NAMES[language], "zip")


ROUTES = (Route("/files/identity/{link}/{name}", data_file, methods=["GET"]),)
