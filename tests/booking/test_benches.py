"""What measures a subgraph follows its types: nobody asks it between two measurements."""

import pytest

from tests.bench.subgraph import measure


async def test_what_measures_a_subgraph_still_can(capsys: pytest.CaptureFixture[str]) -> None:
    await measure(1)
    assert capsys.readouterr().out.count('"CPU ms": ') == 2
