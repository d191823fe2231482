"""A refresh token is good once; shown twice, it ends the session."""

import datetime as dt

from services.identity.sessions import AGENT, FAMILY, Shown, Worth, ends, expiry, worth

NOW = dt.datetime(2026, 11, 23, 8, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def shown(**changes: dt.datetime | None) -> Shown:
    values = {"expires_at": NOW + HOUR, "used_at": None, "session_ends_at": NOW + 5 * HOUR, "session_ended_at": None, **changes}
    return Shown(**values)  # type: ignore[arg-type]


def test_a_fresh_token_renews_the_session() -> None:
    assert worth(shown(), NOW) is Worth.RENEWS


def test_a_used_token_ends_the_session() -> None:
    assert worth(shown(used_at=NOW - HOUR), NOW) is Worth.ENDS_THE_SESSION
    assert worth(shown(used_at=NOW - HOUR, expires_at=NOW - HOUR), NOW) is Worth.ENDS_THE_SESSION


def test_a_token_that_ran_out_or_whose_session_is_over_gives_nothing() -> None:
    assert worth(shown(expires_at=NOW), NOW) is Worth.NOTHING
    assert worth(shown(session_ends_at=NOW), NOW) is Worth.NOTHING
    assert worth(shown(session_ended_at=NOW - HOUR), NOW) is Worth.NOTHING
    assert worth(shown(session_ended_at=NOW - HOUR, used_at=NOW - HOUR), NOW) is Worth.NOTHING


def test_an_agent_stays_signed_in_less_long_than_a_family() -> None:
    ends_at = NOW + dt.timedelta(days=30)
    assert expiry(NOW, ends_at, AGENT) < expiry(NOW, ends_at, FAMILY)


def test_no_token_outlives_its_session() -> None:
    assert expiry(NOW, NOW + HOUR, FAMILY) == NOW + HOUR


def test_whoever_became_an_agent_meanwhile_stays_no_longer_than_an_agent() -> None:
    in_a_month = NOW + dt.timedelta(days=30)
    assert ends(NOW, in_a_month, NOW, NOW + 12 * HOUR, FAMILY) == (in_a_month, NOW + 12 * HOUR)
    assert ends(NOW, in_a_month, NOW, NOW + 12 * HOUR, AGENT) == (NOW + 12 * HOUR, NOW + HOUR)
    assert ends(NOW, in_a_month, None, NOW + 12 * HOUR, AGENT) == (NOW + 12 * HOUR, NOW + 12 * HOUR), "not known when it was used"
    assert ends(NOW, NOW + 12 * HOUR, NOW, NOW + HOUR, FAMILY) == (NOW + 12 * HOUR, NOW + HOUR), "never longer than was said before"
