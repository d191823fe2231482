"""What pages ask of the API, it knows: a mistake in one would look to a page as an outage."""

from graphql import parse, validate

from gateway.portal import pages
from gateway.portal.operations import ALL
from gateway.supergraph import Supergraph


def test_every_operation_of_the_pages_fits_the_api() -> None:
    assert pages.PAGES
    api = Supergraph.committed().api
    wrong = {name: [error.message for error in validate(api, parse(text))] for name, text in ALL.items()}
    assert {name: errors for name, errors in wrong.items() if errors} == {}
