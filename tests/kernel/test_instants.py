"""Instants as clients write them."""

import pytest

from services.graphql import BadValue, _parse_instant


@pytest.mark.parametrize(
    "written", ["0001-01-01T00:00:00+00:09", "9999-12-31T23:59:59-05:00", "2026-11-23T07:00:00", "2026-11-23", "soon", 7, None]
)
def test_what_is_no_instant_or_over_the_edge_in_utc_is_a_wrong_value(written: object) -> None:
    with pytest.raises(BadValue):
        _parse_instant(written)
