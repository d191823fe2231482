"""S16 to S19 through real processes: families pay at the sandbox, which does everything wrong that payment sites do, while billing dies.

What the wallets say is compared with what the site took, to the cent.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx2
import pytest

from deploy.check import check
from deploy.sandbox import MISBEHAVIOURS
from services.settings import Settings
from services.standard_webhooks import standard
from tests.conftest import dealt
from tests.facts import until
from tests.flows.conftest import Found
from tests.flows.system import System
from tests.flows.town import Family, activity, family, today

#: Where billing dies while a family pays: one side of each step, or the other.
PAYING = [(f"{step}.before_commit", f"{step}.after_commit") for step in ("intent", "page", "notice", "settle")]
START = """mutation($input: StartPaymentInput!) { startPayment(input: $input) { __typename
  ... on OnlinePayment { id status amountCents redirectUrl reference } ... on Refusal { code } } }"""
STATUS = "query($id: ID!) { onlinePayment(id: $id) { id status reference } }"
HISTORY = """query($month: YearMonth!) { me { families { balance { lines { wallet { id } balanceCents } }
  payments(month: $month) { totalCents payments { date mode reference payer bank amountCents wallet { id } } } } } }"""
#: Money that was not asked for credits nobody. Who has no currency to tell cannot tell a wrong one.
NOBODYS = {True: {"more", "less", "dollars", "other-order"}, False: {"more", "less", "other-order"}}


@dataclass
class Buyer:
    """A family before its browser."""

    system: System
    family: Family
    billing: str  #: The process that it speaks to: each hands over to another kind of site.
    browser: httpx2.AsyncClient
    started: dict[str, dict[str, Any]] = field(default_factory=dict)  #: Key -> the payment.

    async def starts(self, key: str, cents: int) -> dict[str, Any]:
        """Until there is a page, with one key, as a client does whose connection breaks."""
        two = [(self.family.town.named("periscolaire"), cents), (self.family.town.named("multi"), 1_00)]
        lines = [{"wallet": wallet, "amountCents": amount} for wallet, amount in two]
        order = {"family": self.family.id, "lines": lines, "idempotencyKey": key}
        self.started[key] = await until(lambda: self._page(order), within=60)
        return self.started[key]

    async def _page(self, order: dict[str, Any]) -> dict[str, Any]:
        """a page"""
        address = f"http://127.0.0.1:{self.system.ports[self.billing]}/graphql"
        headers = {"authorization": f"Bearer {self.family.token}"}
        try:
            answer = (await self.browser.post(address, json={"query": START, "variables": {"input": order}}, headers=headers)).json()
        except httpx2.HTTPError:
            return {}
        told: dict[str, Any] = (answer.get("data") or {}).get("startPayment") or {}
        return told if told.get("__typename") == "OnlinePayment" else {}

    async def presses(self, key: str, action: str, misbehaviour: str = "none") -> httpx2.Response:
        """On the payment site's page; where the browser ends up."""
        page = self.started[key]["redirectUrl"]
        shown = await self.browser.get(page)
        assert "Site de paiement" in shown.text
        return await self.browser.post(page, data={"action": action, "misbehaviour": misbehaviour}, follow_redirects=True)

    async def status(self, key: str) -> str:
        """As the gateway says it; nothing while it cannot."""
        answer = await self.family.town.post(STATUS, {"id": self.started[key]["id"]}, token=self.family.token)
        told = (answer.get("data") or {}).get("onlinePayment") or {}
        return str(told.get("status", ""))

    async def comes_to(self, key: str, status: str, *, within: float = 60.0) -> None:
        async def there() -> bool:
            return await self.status(key) == status

        there.__doc__ = f"{key} is {status}"
        await until(there, within=within)

    async def history(self) -> dict[str, Any]:
        """This month's, and the wallets."""
        month = f"{today():%Y-%m}"
        (one,) = (await self.family.ask(HISTORY, {"month": month}))["me"]["families"]
        wallets = {line["wallet"]["id"].rpartition("-")[2]: line["balanceCents"] for line in one["balance"]["lines"]}
        return {"wallets": wallets, "payments": one["payments"]["payments"]}


async def receipts(buyer: Buyer, many: int = 1) -> list[dict[str, Any]]:
    """The receipts that the family was sent, once there are so many."""
    mails = [mail for mail in await buyer.family.mails() if mail["subject"].startswith("Paiement reçu")]
    return mails if len(mails) >= many else []


async def truth(system: System) -> dict[str, dict[str, Any]]:
    """Order -> what the site says that happened."""
    async with httpx2.AsyncClient(timeout=60) as client:
        return {one["order"]: one for one in (await client.get(f"{system.sandbox}/truth")).json()}


#: What a family does on the site's page, and what becomes of the payment.
ENDS = {"pay": "PAID", "refuse": "REFUSED", "abandon": "CANCELLED"}


@pytest.mark.one_database
async def test_s19_whatever_the_site_does_wrong_the_wallets_are_what_it_took(found: Found, system: System) -> None:
    """Every misbehaviour, on a signed and an unsigned site, paid, refused or given up; two processes of billing reconcile."""
    town = await found(activities=[activity("aps")], families=[family("signed"), family("unsigned")])
    other = await asyncio.to_thread(system.start_another, "billing", PREAU_PAYMENT_PROVIDER="sandbox-unsigned,sandbox")
    async with httpx2.AsyncClient(timeout=60) as browser:
        signed, unsigned = (
            Buyer(system, one, process, browser)
            for one, process in zip(await town.everybody("signed", "unsigned"), ("billing", other), strict=True)
        )
        unpaid = [(buyer, action) for buyer in (signed, unsigned) for action in ("refuse", "abandon")]
        stories = [
            (buyer, f"{name} {action}", action, name)
            for name in MISBEHAVIOURS
            for buyer, action in ((signed, "pay"), (unsigned, "pay"), *dealt(f"unpaid {name}", *unpaid))
        ]
        few = asyncio.Semaphore(8)

        async def lives(cents: int, buyer: Buyer, key: str, action: str, misbehaviour: str) -> None:
            async with few:
                await buyer.starts(key, cents)
                page = await buyer.presses(key, action, misbehaviour)
            if MISBEHAVIOURS[misbehaviour].returns:
                assert str(page.url) == f"{system.gateway}/paiement/{buyer.started[key]['id']}"
                assert "Retour du paiement" in page.text

        await asyncio.gather(*(lives(10_00 + number, *story) for number, story in enumerate(stories)))
        for forged in ("whsec_" + "b3RoZXIgc2VjcmV0IHRoYW4gdGhlIHRvd25z", None):
            await forges(system, browser, forged)
        for buyer, key, action, name in stories:
            if action == "pay" and name in NOBODYS[buyer is signed]:
                continue
            await buyer.comes_to(key, ENDS[action])
        took = await truth(system)
        for buyer in (signed, unsigned):
            paid = {key: one for key, one in buyer.started.items() if took[one["id"]]["status"] == "PAID"}
            assert set(paid) == {f"{name} pay" for name in MISBEHAVIOURS}
            good = {one["id"]: one["amountCents"] for key, one in paid.items() if key.split()[0] not in NOBODYS[buyer is signed]}
            history = await buyer.history()
            assert history["wallets"] == {"periscolaire": sum(good.values()) - 1_00 * len(good), "multi": 1_00 * len(good)}
            entries = Counter((line["reference"], line["amountCents"]) for line in history["payments"])
            numbers = {id: f"3150-N°AUTO:{took[id]['number']}" for id in good}
            assert entries == Counter([(numbers[id], cents - 1_00) for id, cents in good.items()] + [(numbers[id], 1_00) for id in good])
            assert {(line["mode"], line["bank"]) for line in history["payments"]} == {("INTERNET", "PAR INTERNET")}
            assert {line["payer"] for line in history["payments"]} == {f"POUR {buyer.family.id.partition('-')[2]} JEAN-PAUL".upper()}
            mails = await until(partial(receipts, buyer, len(good)))
            assert len(mails) == len(good), "one for each, whatever was told twice"
            for name in NOBODYS[buyer is signed]:
                assert await buyer.status(f"{name} pay") == "STARTED"
    await asyncio.to_thread(system.terminate, other)
    assert await check(Settings.from_environment(system.environment))


UNSETTLED = """query($of: ID!) { unsettledPayments(structure: $of, troubled: true) { totalCount nodes { payment { id status } heard
  family { number } trouble { code amountCents currency } } } }"""
END = """mutation($input: EndOnlinePaymentInput!) { endOnlinePayment(input: $input) { __typename
  ... on EndedPayment { payment { status reference } payments { amountCents reason } } ... on Refusal { code } } }"""


async def test_s19_an_agent_credits_what_really_came_and_the_family_sees_it(found: Found, system: System) -> None:
    """A cent more than was asked for: nobody is credited, until somebody at the town hall says whose it is. Billing dies meanwhile."""
    town = await found(activities=[activity("aps")], families=[family("dupont")])
    async with httpx2.AsyncClient(timeout=60) as browser:
        buyer, agent = Buyer(system, await town.sign_in("dupont"), "billing", browser), await town.agent()
        await buyer.starts("more", 50_00)
        await buyer.presses("more", "pay", "more")

        async def seen() -> Any:
            """an agent sees the trouble"""
            found = (await agent.ask(UNSETTLED, {"of": town.structure}))["unsettledPayments"]
            return found["nodes"] or None

        (one,) = await until(seen, within=30)
        id = buyer.started["more"]["id"]
        assert (one["payment"], one["heard"]) == ({"id": id, "status": "STARTED"}, "PAID")
        assert one["trouble"] == {"code": "OTHER_MONEY", "amountCents": 51_01, "currency": "EUR"}
        lines = [{"wallet": town.named("periscolaire"), "amountCents": 51_01}]
        said = {"onlinePayment": id, "end": "CREDITED", "lines": lines, "reason": "Un centime de trop", "idempotencyKey": "k"}
        ended = (await agent.ask(END, {"input": said}))["endOnlinePayment"]
        assert (ended["payment"]["status"], ended["payments"]) == ("PAID", [{"amountCents": 51_01, "reason": "Un centime de trop"}])
        system.kill("billing")
        await asyncio.to_thread(system.start, "billing")
        assert (await agent.ask(END, {"input": said}))["endOnlinePayment"] == ended
        assert (await buyer.history())["wallets"] == {"periscolaire": 51_01, "multi": 0}
        assert await buyer.status("more") == "PAID"
        assert await seen() is None
        assert len(await until(partial(receipts, buyer, 1))) == 1
    assert await check(Settings.from_environment(system.environment))


async def forges(system: System, browser: httpx2.AsyncClient, secret: str | None) -> None:
    """Somebody who knows every session tells of money that never came."""
    for one in (await truth(system)).values():
        body = b'{"session":"%s","status":"PAID"}' % one["id"].encode()
        headers = standard(secret, "m", 1_764_000_000, body) if secret else {}
        answer = await browser.post(f"{system.gateway}/payments/notices/sandbox", content=body, headers=headers)
        assert answer.status_code == 400
    answer = await browser.post(f"{system.gateway}/payments/notices/sandbox-unsigned", content=b"idop=nobodys&resultrans=P")
    assert answer.status_code == 200, "nobody learns what there is"


@pytest.mark.parametrize("point", [point for sides in PAYING for point in dealt(f"paying {sides}", *sides)])
async def test_s19_dying_there_while_a_family_pays_credits_it_once(found: Found, system: System, point: str) -> None:
    town = await found(activities=[activity("aps")], families=[family("dupont")])
    async with httpx2.AsyncClient(timeout=60) as browser:
        buyer = Buyer(system, await town.sign_in("dupont"), "billing", browser)
        if point.startswith(("notice", "settle")):
            await buyer.starts("once", 50_00)
        system.kill("billing")
        system.start("billing", crash_at=point)
        doing = asyncio.create_task(buyer.presses("once", "pay") if buyer.started else buyer.starts("once", 50_00))
        await asyncio.to_thread(system.died, "billing", within=60)
        await asyncio.to_thread(system.start, "billing")
        await doing
        if not point.startswith(("notice", "settle")):
            await buyer.presses("once", "pay")
        await buyer.comes_to("once", "PAID")
        await buyer.starts("once", 50_00)
        assert (await buyer.history())["wallets"] == {"periscolaire": 50_00, "multi": 1_00}
        (receipt,) = await until(lambda: receipts(buyer))
        assert f"{system.gateway}/paiement/{buyer.started['once']['id']}" in receipt["text"]
        assert "de 51,00 €" in receipt["text"]
        orders = [one for one in (await truth(system)).values() if one["notify_url"] and one["order"] == buyer.started["once"]["id"]]
        assert len(orders) == 1
    assert await check(Settings.from_environment(system.environment))


@pytest.mark.one_database
async def test_s19_the_site_is_gone_while_a_family_pays_and_comes_back(found: Found, system: System) -> None:
    """No page can be had, then one can; nobody answers what became of it, then somebody does."""
    town = await found(activities=[activity("aps")], families=[family("dupont")])
    async with httpx2.AsyncClient(timeout=60) as browser:
        dupont = await town.sign_in("dupont")
        buyer = Buyer(system, dupont, "billing", browser)
        system.kill("sandbox")
        line = {"wallet": town.named("periscolaire"), "amountCents": 50_00}
        order = {"input": {"family": dupont.id, "lines": [line], "idempotencyKey": "away"}}
        assert (await dupont.ask(START, order))["startPayment"]["code"] == "PAYMENT_UNAVAILABLE"
        await asyncio.to_thread(system.start, "sandbox")
        buyer.started["away"] = (await dupont.ask(START, order))["startPayment"]
        await buyer.presses("away", "pay", "nothing-at-all")
        system.kill("sandbox")
        await asyncio.sleep(6)  # the look that is due after 5 s finds nobody
        assert await buyer.status("away") == "STARTED"
        await asyncio.to_thread(system.start, "sandbox")
        await buyer.comes_to("away", "PAID")
        assert (await buyer.history())["wallets"] == {"periscolaire": 50_00, "multi": 0}
    assert await check(Settings.from_environment(system.environment))
