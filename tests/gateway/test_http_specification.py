"""The GraphQL-over-HTTP specification's own 61 audits, where Node is and what tests/gateway/audit/http needs."""

import pytest

from tests.gateway.audit import node
from tests.gateway.fakes import Gateway
from tests.gateway.followers import Served


@pytest.mark.skipif(not node.ready(), reason="no Node, or `npm install` was not run in tests/gateway/audit/http: 61 audits not run")
async def test_every_must_should_and_may_of_the_specification(entrance: Gateway) -> None:
    one = Served(entrance)
    await one.start()

    told = await node.http(f"{one.url}/graphql")
    await one.stop()

    assert told == "0 found\n"
