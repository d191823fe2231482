"""How long the gateway waits, and how an operator says it."""

import pytest

from gateway.waiting import Patience
from services.settings import Settings, SettingsError


def test_mutations_end_too() -> None:
    assert Patience().for_mutation(spent=28.0) == 2.0
    assert Patience().for_mutation(spent=31.0) < 0, "no further mutation is begun"


@pytest.mark.parametrize(
    ("text", "billing", "booking"), [("", 5, 5), ("3", 3, 3), ("billing=2", 2, 5), ("4, billing=0.5", 0.5, 4), ("billing=2,4", 2, 4)]
)
def test_an_operator_says_how_long_a_subgraph_is_waited_for(text: str, billing: float, booking: float) -> None:
    settings = Settings.from_environment({"PREAU_SUBGRAPH_SECONDS": text})
    assert (settings.subgraph_seconds["billing"], settings.subgraph_seconds["booking"]) == (billing, booking)


@pytest.mark.parametrize(
    "environ",
    [{"PREAU_SUBGRAPH_SECONDS": text} for text in ("0", "x", "kitchen=2", "billing=", "billing=-1", "5s")]
    + [{"PREAU_REQUEST_SECONDS": "0"}],
)
def test_times_that_nobody_can_mean_are_refused(environ: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=next(iter(environ))):
        Settings.from_environment(environ)
