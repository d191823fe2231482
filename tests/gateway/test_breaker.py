"""When a subgraph is not worth waiting for, and how often what was lost is sent again."""

from gateway.breaker import CLOSED, MOST_FAILURES, MOST_WAIT_SECONDS, OPEN, TRYING, Breaker
from gateway.retries import MOST_SAVED, SHARE, Budget


def opened(now: float = 10.0) -> Breaker:
    breaker = Breaker()
    for _ in range(MOST_FAILURES):
        breaker.failed(now, now)
    return breaker


def test_it_opens_after_failures_in_a_row() -> None:
    breaker = Breaker()
    for n in range(1, MOST_FAILURES + 1):
        assert breaker.state == CLOSED, n
        breaker.failed(10.0, 10.0)
    assert breaker.state == OPEN
    assert not breaker.lets(10.5, 5.0)


def test_whoever_is_answered_meanwhile_keeps_it_closed() -> None:
    breaker = Breaker()
    for n in range(3 * MOST_FAILURES):
        breaker.failed(n, n)
        if n % (MOST_FAILURES - 1) == 0:
            breaker.succeeded()
        assert breaker.state == CLOSED


def test_after_a_while_one_request_tries_and_the_others_are_refused() -> None:
    breaker = opened()
    assert breaker.lets(11.0, 5.0)
    assert breaker.state == TRYING
    assert not breaker.lets(11.1, 5.0)
    assert not breaker.lets(15.9, 5.0), "the one that tries may take that long"


def test_it_closes_as_soon_as_one_is_answered() -> None:
    breaker = opened()
    assert breaker.lets(11.0, 5.0)
    breaker.succeeded()
    assert (breaker.state, breaker.failures) == (CLOSED, 0)
    breaker.failed(12.0, 12.0)
    assert breaker.state == CLOSED, "it takes as many again"


def test_each_that_fails_is_waited_longer_for() -> None:
    breaker = opened(0.0)
    now, waits = 0.0, []
    for _ in range(5):
        begun = now
        while not breaker.lets(now, 0.1):
            now += 0.25
        waits.append(now - begun)
        breaker.failed(now, now)
        assert breaker.state == OPEN
    assert waits == [1.0, 2.0, 4.0, MOST_WAIT_SECONDS, MOST_WAIT_SECONDS]
    while not breaker.lets(now, 0.1):
        now += 0.25
    breaker.succeeded()
    for _ in range(MOST_FAILURES):
        breaker.failed(now, now)
    assert breaker.lets(now + 1.0, 0.1), "new trouble is tried again soon"


def test_what_was_asked_before_it_opened_says_nothing_new() -> None:
    """A hundred requests time out in the same moment: that is one failure, not a hundred longer waits."""
    breaker = opened(10.0)
    for _ in range(100):
        breaker.failed(9.0, 10.1)
    assert breaker.lets(11.0, 5.0)


def test_one_that_tries_and_is_never_heard_of_again_keeps_nobody_out() -> None:
    breaker = opened()
    assert breaker.lets(11.0, 5.0)
    assert breaker.lets(16.0, 5.0)


def test_it_tells_whoever_watches() -> None:
    seen: list[int] = []
    breaker = Breaker(seen.append)
    for _ in range(MOST_FAILURES):
        breaker.failed(0.0, 0.0)
    breaker.lets(1.0, 5.0)
    breaker.succeeded()
    breaker.succeeded()
    assert seen == [OPEN, TRYING, CLOSED]


def test_retries_are_a_share_of_what_is_sent() -> None:
    budget = Budget()
    again = 0
    for _ in range(1000):  # each of which is lost
        budget.earn()
        again += budget.spend()
    assert MOST_SAVED + 1000 * SHARE - 1 <= again <= MOST_SAVED + 1000 * SHARE
