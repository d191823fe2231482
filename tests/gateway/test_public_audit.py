"""The public federation audit (github.com/graphql-hive/federation-gateway-audit): what passed once must never fail again.

`PREAU_FEDERATION_AUDIT=CHECKOUT pytest tests/gateway/test_public_audit.py` asks all of it; CI, where there is neither Node nor the
audit, knows at least that the list of what passes has lost nothing.
"""

import os
from pathlib import Path

import pytest

from gateway.engine import Answer
from tests.gateway.audit import federation, node

CHECKOUT = os.environ.get("PREAU_FEDERATION_AUDIT", "")
#: All there are; never fewer.
PASSING = 199


@pytest.mark.skipif(not CHECKOUT, reason="PREAU_FEDERATION_AUDIT says not where the public audit is: 199 cases not run")
async def test_the_public_audit() -> None:
    node.install()
    async with node.federation(Path(CHECKOUT)) as served:
        found, refused = await federation.audit(served)

    assert federation.grown(federation.passing(), found) == federation.passing(), "more pass: python -m tests.gateway.audit CHECKOUT"
    assert [case for case, passed in found.items() if not passed] == []
    assert refused == {}


def test_the_list_of_what_passes_has_lost_nothing() -> None:
    assert len(federation.passing()) >= PASSING
    assert federation.read(federation.written(federation.passing())) == federation.passing()


def test_what_passed_before_may_not_fail_and_what_passes_now_is_kept(tmp_path: Path) -> None:
    kept = tmp_path / "passing.txt"
    kept.write_text("keys 0\n")
    one, other = ("keys", 0), ("keys", 1)

    assert "2 of 2 cases pass; 0 are refused" in federation.told({one: True, other: True}, {}, kept)
    assert kept.read_text() == "keys 0 1\n"
    with pytest.raises(AssertionError, match="passed before, and fail: keys 1"):
        federation.told({one: True, other: False}, {}, kept)
    assert kept.read_text() == "keys 0 1\n"


def test_an_answer_is_as_expected_when_data_and_errors_are() -> None:
    wrong = [{"message": "no"}]

    assert federation.is_expected(Answer({"a": 1}, []), {"data": {"a": 1}})
    assert federation.is_expected(Answer(None, wrong), {"errors": True})
    assert not federation.is_expected(Answer({"a": 1}, wrong), {"data": {"a": 1}})
    assert not federation.is_expected(Answer({"a": 2}, []), {"data": {"a": 1}})
    assert not federation.is_expected(Answer({"a": 1}, []), {"data": {"a": 1}, "errors": True})
