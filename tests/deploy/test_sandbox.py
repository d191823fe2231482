"""The payment sandbox, as a family and as the town meet it: its page, its two ways to speak, its files."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deploy import sandbox
from deploy.sandbox import MISBEHAVIOURS, WORDS, Books, Site, routes
from services.billing.online import OnlinePaymentStatus, Told
from services.billing.provider import Order, ProviderTrouble
from services.billing.sandbox import Sandbox, Unsigned
from tests.facts import until
from tests.serving import at_an_address

SECRET = "whsec_" + "c2VjcmV0IG9mIHRoZSBzYW5kYm94LCBsb25n"
PAID = OnlinePaymentStatus.PAID


@dataclass
class Played:
    """The site behind a real server, and a town that hears its notices."""

    site: Site
    url: str = ""
    heard: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    takes: list[int] = field(default_factory=lambda: [200])  #: What the town answers; the last one from then on.

    async def hear(self, request: Request) -> Response:
        self.heard.append((dict(request.headers), await request.body()))
        return Response(status_code=self.takes.pop(0) if len(self.takes) > 1 else self.takes[0])

    def order(self, payment: str = "p1") -> Order:
        back = f"{self.url}/paiement/{payment}"
        return Order(payment, 150_00, "guide@example.org", "fr", "PERISCOLAIRE <b>", f"{self.url}/town", back, 1_764_010_800)

    async def press(self, url: str, action: str, misbehaviour: str = "none") -> httpx2.Response:
        async with httpx2.AsyncClient(timeout=60) as client:
            return await client.post(url, data={"action": action, "misbehaviour": misbehaviour})

    async def tells(self, count: int) -> list[tuple[dict[str, str], bytes]]:
        async def so_many() -> bool:
            """so many notices came"""
            return len(self.heard) >= count

        await until(so_many)
        return self.heard


@pytest.fixture
async def played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Played]:
    monkeypatch.setattr(sandbox, "LATE_SECONDS", 0.2)
    one = Played(Site(Books(tmp_path), SECRET))
    app = Starlette(routes=[*routes(one.site), Route("/town", one.hear, methods=["POST"])])
    async with at_an_address(app) as one.url:
        yield one


async def test_the_page_is_french_or_english_and_lets_one_pay(played: Played) -> None:
    box = Sandbox(played.url, SECRET)
    page = await box.start(played.order())
    assert await box.start(played.order()) == page, "one page of one order"
    assert await box.ask(page.session) == Told(OnlinePaymentStatus.STARTED, order="p1")
    async with httpx2.AsyncClient(timeout=60) as client:
        french = (await client.get(page.url)).text
        english = (await client.get(page.url, params={"lang": "en"})).text
        home = (await client.get(played.url, headers={"accept-language": "en"})).text
    assert '<html lang="fr">' in french
    assert "150,00 €" in french
    assert "PERISCOLAIRE &lt;b&gt;" in french
    assert '<html lang="en">' in english
    assert "€150.00" in english
    assert "under way" in home
    for text in (french, english):
        assert re.findall(r'name="action" value="(\w+)"', text) == ["pay", "refuse", "abandon"]
        assert re.findall(r'<option value="([\w-]+)"', text) == list(MISBEHAVIOURS)
        assert '<label for="misbehaviour">' in text
    answer = await played.press(page.url, "pay")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{played.url}/paiement/p1")
    told = await box.ask(page.session)
    assert told is not None
    assert (told.status, told.amount_cents, told.currency, told.order) == (PAID, 150_00, "EUR", "p1")
    assert re.fullmatch(r"3150-N°AUTO:\d{6}", told.reference or "")
    await played.press(page.url, "refuse")
    assert await box.ask(page.session) == told, "what is paid stays paid"
    ((headers, body),) = await played.tells(1)
    notice = box.read(headers, body, time.time())
    assert notice is not None
    assert notice.session == page.session


def test_both_languages_say_the_same() -> None:
    assert WORDS["fr"].keys() == WORDS["en"].keys()
    assert all(one.french and one.english for one in MISBEHAVIOURS.values())


@pytest.mark.parametrize(("action", "status"), [("refuse", "REFUSED"), ("abandon", "CANCELLED")])
async def test_one_may_refuse_and_give_up(played: Played, action: str, status: str) -> None:
    box, other = Sandbox(played.url, SECRET), Unsigned(played.url)
    for provider in (box, other):
        page = await provider.start(played.order())
        await played.press(page.url, action)
        told = await provider.ask(page.session)
        assert told is not None
        assert told.status is OnlinePaymentStatus(status)


async def test_as_payfip_it_makes_a_page_each_time_and_says_only_whom_to_ask_about(played: Played) -> None:
    box = Unsigned(played.url)
    first, second = [await box.start(played.order()) for _ in range(2)]
    assert first.session != second.session
    assert await box.ask(first.session) is None, "P5: not paid, or not yet"
    await played.press(first.url, "pay")
    told = await box.ask(first.session)
    assert told is not None
    assert (told.status, told.amount_cents, told.currency, told.order) == (PAID, 150_00, "EUR", "p1")
    ((headers, body),) = await played.tells(1)
    assert "webhook-signature" not in headers
    notice = box.read({}, body, time.time())
    assert notice is not None
    assert notice.session == first.session
    with pytest.raises(ProviderTrouble):
        await Sandbox(played.url, SECRET).start(Order("", 0, "", "", "", "", "", 0))


@pytest.mark.parametrize(
    ("misbehaviour", "believed", "sent"),
    [("none", 1, 1), ("early", 1, 1), ("lost", 0, 0), ("twice", 2, 2), ("late", 1, 1), ("forged", 0, 1), ("unsigned", 0, 1), ("old", 0, 1),
     ("stranger", 0, 1), ("storm", 4, 8), ("no-return", 1, 1), ("nothing-at-all", 0, 0)],
)  # fmt: skip
async def test_notices_are_as_wrong_as_one_wishes(played: Played, misbehaviour: str, believed: int, sent: int) -> None:
    box = Sandbox(played.url, SECRET)
    page = await box.start(played.order())
    answer = await played.press(page.url, "pay", misbehaviour)
    assert (answer.status_code == 303) == MISBEHAVIOURS[misbehaviour].returns
    if misbehaviour == "early":
        assert len(played.heard) == 1
    heard = await played.tells(sent)
    await asyncio.sleep(0.05)
    assert len(heard) == sent
    read = [box.read(headers, body, time.time()) for headers, body in heard]
    assert [notice.session for notice in read if notice].count(page.session) == believed


async def test_a_notice_that_is_not_taken_comes_again(played: Played) -> None:
    played.takes = [503, 200]
    page = await Sandbox(played.url, SECRET).start(played.order())
    await played.press(page.url, "pay")
    first, second = await played.tells(2)
    assert first[1] == second[1]


async def test_what_it_says_is_as_wrong_as_one_wishes(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    box = Sandbox(played.url, SECRET)

    async def said(misbehaviour: str) -> list[Told | str | None]:
        """The first three answers after it was paid."""
        page = await box.start(played.order(misbehaviour))
        await played.press(page.url, "pay", misbehaviour)
        answers: list[Told | str | None] = []
        for _ in range(3):
            try:
                answers.append(await box.ask(page.session))
            except ProviderTrouble:
                answers.append("trouble")
        return answers

    def statuses(answers: list[Told | str | None]) -> list[object]:
        return [str(one.status) if isinstance(one, Told) else one for one in answers]

    assert [one.amount_cents for one in await said("more") if isinstance(one, Told)] == [150_01] * 3
    assert [one.amount_cents for one in await said("less") if isinstance(one, Told)] == [149_00] * 3
    assert [one.currency for one in await said("dollars") if isinstance(one, Told)] == ["USD"] * 3
    assert [one.order for one in await said("other-order") if isinstance(one, Told)] == ["somebody-else"] * 3
    assert statuses(await said("away")) == statuses(await said("garbage")) == ["trouble", "trouble", "PAID"]
    assert statuses(await said("unknown")) == [None, None, "PAID"]
    assert statuses(await said("behind")) == ["STARTED", "STARTED", "PAID"]
    asked = asyncio.Event()
    monkeypatch.setattr(sandbox, "late", asked.wait)
    page = await box.start(played.order("after"))
    await played.press(page.url, "pay", "after-cancelled")
    seen: list[str] = []

    async def paid_in_the_end() -> bool:
        """it says that it was paid"""
        told = await box.ask(page.session)
        seen.append(str(told and told.status))
        asked.set()
        return seen[-1] == "PAID"

    await until(paid_in_the_end)
    assert set(seen) == {"CANCELLED", "PAID"}


async def test_it_remembers_across_a_restart_and_lets_pages_run_out(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    box = Sandbox(played.url, SECRET)
    paid, open_ = await box.start(played.order("a")), await box.start(played.order("b"))
    await played.press(paid.url, "pay")
    again = Books(played.site.books.folder)
    assert {one.order: one.status for one in again.sessions.values()} == {"a": "PAID", "b": "STARTED"}
    monkeypatch.setattr(sandbox, "OPEN_SECONDS", -1)
    assert await box.ask(open_.session) == Told(OnlinePaymentStatus.EXPIRED, order="b")
    await played.press(open_.url, "pay")
    assert await box.ask(open_.session) == Told(OnlinePaymentStatus.EXPIRED, order="b")


async def test_what_is_not_there(played: Played) -> None:
    async with httpx2.AsyncClient(base_url=played.url, timeout=60) as client:
        for path in ("/pay/none", "/api/sessions/none", "/payfip/operations/none"):
            assert (await client.get(path)).status_code == 404
        assert (await client.post("/misbehaviour", json={"name": "worse"})).status_code == 400
        assert (await client.post("/api/sessions", content=b"no")).status_code == 400
        page = await Sandbox(played.url, SECRET).start(played.order())
        assert (await client.post(page.url, data={"action": "rob"})).status_code == 400
