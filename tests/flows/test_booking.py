"""The first whole path, through the gateway only: sign in, look, book, wait, give back, pay attention to debts, read the mail."""

import asyncio
from typing import Any

from tests.facts import until
from tests.flows.conftest import Found
from tests.flows.system import System
from tests.flows.town import Family, activity, answers, family, next_days


async def test_s1_s5_a_parent_signs_in_and_sees_family_structure_and_announcements(found: Found) -> None:
    town = await found(activities=[activity("aps")], families=[family("dupont")])
    dupont = await town.sign_in("dupont")
    me = (
        await dupont.ask(
            "{ me { login firstName lastName families { number structure { name announcements { title body } } children { firstName } } } }"
        )
    )["me"]
    (household,) = me["families"]
    assert household["structure"] == {
        "name": f"Mairie de {town.structure.title()}",
        "announcements": [{"title": "Inscriptions", "body": "Les réservations sont ouvertes."}],
    }
    assert [child["firstName"] for child in household["children"]] == ["Dupont-Child"]


async def test_one_request_touches_identity_booking_and_billing(found: Found) -> None:
    town = await found(activities=[activity("aps", capacity=3)], families=[family("dupont")])
    dupont = await town.sign_in("dupont")
    (day,) = next_days(1)
    query = """query($month: YearMonth!, $aps: ID!) { me { families { children { firstName activities { id name }
      calendar(month: $month, activity: $aps) { days { date state placesLeft } } } balance { lines { wallet { name } newBalanceCents } } } } }"""
    me = (await dupont.ask(query, {"month": day.isoformat()[:7], "aps": town.named("aps")}))["me"]
    (household,) = me["families"]
    (child,) = household["children"]
    assert child["firstName"] == "Dupont-Child"
    shown = next(one for one in child["calendar"]["days"] if one["date"] == day.isoformat())
    assert (shown["state"], shown["placesLeft"]) == ("AVAILABLE", 3)
    assert [line["wallet"]["name"] for line in household["balance"]["lines"]] == ['Multiaccueil "Les Tagazoux"', "PERISCOLAIRE"]


async def test_s33_a_preview_has_prices_and_forecasts_and_changes_nothing(found: Found) -> None:
    town = await found(activities=[activity("aps", capacity=1)], families=[family("dupont"), family("martin")])
    dupont, martin = await town.everybody("dupont", "martin")
    first, second = next_days(2)
    assert await martin.asks(second) == ["ACCEPTED"]
    query = """query($family: ID!, $lines: [BookingLineInput!]!) { previewBookings(family: $family, lines: $lines) {
      ... on Preview { bookings { date forecast rank priceCents explanation { label amountCents } activity { name } child { firstName } refusal { code } }
        cancellations { date } } ... on Refusal { code } } }"""
    preview = (await dupont.ask(query, {"family": dupont.id, "lines": [dupont.line(second), dupont.line(first)]}))["previewBookings"]
    assert [(line["date"], line["forecast"], line["rank"], line["priceCents"]) for line in preview["bookings"]] == [
        (first.isoformat(), "ACCEPTED", None, 131),
        (second.isoformat(), "WAITLISTED", 1, 131),
    ]
    assert preview["bookings"][0]["activity"]["name"] == "APS"
    assert await dupont.bookings() == {}


async def test_accepted_waiting_refused_line_by_line(found: Found) -> None:
    town = await found(
        activities=[activity("aps", capacity=1, waiting_list=1)], families=[family(name) for name in ("dupont", "martin", "petit")]
    )
    dupont, martin, petit = await town.everybody("dupont", "martin", "petit")
    days = next_days(2)
    assert await dupont.asks(days[0]) == ["ACCEPTED"]
    assert await martin.asks(days[0]) == ["WAITLISTED 1"]
    assert await petit.asks(*days) == ["REFUSED FULL", "ACCEPTED"]


async def test_a_freed_place_goes_to_the_first_in_line_at_once(found: Found) -> None:
    town = await found(activities=[activity("aps", capacity=1)], families=[family(name) for name in ("dupont", "martin", "petit")])
    dupont, martin, petit = await town.everybody("dupont", "martin", "petit")
    (day,) = next_days(1)
    await dupont.asks(day)
    assert [await martin.asks(day), await petit.asks(day)] == [["WAITLISTED 1"], ["WAITLISTED 2"]]
    assert await dupont.cancels(day) == ["CANCELLED"]
    # In the same transaction: who looks now sees it already.
    assert await martin.bookings() == {day.isoformat(): "ACCEPTED"}
    assert await petit.bookings() == {day.isoformat(): "WAITLISTED 1"}
    await martin.costs(131)
    await dupont.costs(0)


async def test_the_same_key_gives_the_same_request_and_another_body_is_refused(found: Found) -> None:
    town = await found(activities=[activity("aps")], families=[family("dupont")])
    dupont = await town.sign_in("dupont")
    first, second = next_days(2)
    both = await asyncio.gather(*(dupont.submits([dupont.line(first)], key="one-click") for _ in range(8)))
    assert len({request["id"] for request in both}) == 1
    assert (await dupont.submits([dupont.line(second)], key="one-click"))["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert await dupont.bookings() == {first.isoformat(): "ACCEPTED"}


async def test_s14_balances_of_the_guide_with_holds_of_real_bookings(found: Found) -> None:
    """50.06, 102.61, -52.55: 10261 cents are 71 mornings at 1.31 and 96 cents... so 20 at 5.13 and one at 0.01."""
    prices = [activity("aps", tariff=flat(513)), activity("penny", tariff=flat(1))]
    paid = [
        {
            "date": "today-20d",
            "mode": "CHEQUE",
            "reference": "2578012",
            "payer": "GUIDE DENIS",
            "bank": "CREDIT AGRICOLE",
            "wallet": "periscolaire",
            "cents": 5006,
        }
    ]
    town = await found(activities=prices, families=[family("dupont", activities=["aps", "penny"], payments=paid)])
    dupont = await town.sign_in("dupont")
    days = next_days(20)
    assert set(await dupont.asks(*days)) == {"ACCEPTED"}
    assert answers(await dupont.submits([dupont.line(days[0], activity="penny")])) == ["ACCEPTED"]
    await dupont.costs(10261)
    balance = await dupont.balance()
    lines = {
        line["wallet"]["name"]: (line["balanceCents"], line["estimatedCostCents"], line["newBalanceCents"]) for line in balance["lines"]
    }
    assert lines == {"PERISCOLAIRE": (50_06, 102_61, -52_55), 'Multiaccueil "Les Tagazoux"': (0, 0, 0)}
    assert (balance["balanceCents"], balance["estimatedCostCents"], balance["newBalanceCents"]) == (50_06, 102_61, -52_55)
    until_tenth = await dupont.balance(until=days[9].isoformat())
    assert until_tenth["estimatedCostCents"] == 10 * 513 + 1


async def test_s21_a_family_in_debt_cannot_book_but_may_cancel(found: Found) -> None:
    owes = [{"date": "today-25d", "wallet": "periscolaire", "label": "Reprise de solde", "cents": 1}]
    (day, other) = next_days(2)
    booked = [{"child": "dupont-child", "activity": "aps", "date": day.isoformat()}]
    town = await found(activities=[activity("aps")], families=[family("dupont", charges=owes, bookings=booked), family("martin")])
    dupont, martin = await town.everybody("dupont", "martin")
    assert (await dupont.submits([dupont.line(other)]))["code"] == "ACCOUNT_IN_DEBIT"
    access = (await dupont.ask("{ me { families { bookingAccess { open refusal { code message } } } } }"))["me"]["families"][0][
        "bookingAccess"
    ]
    assert (access["open"], access["refusal"]["code"]) == (False, "ACCOUNT_IN_DEBIT")
    mixed = await dupont.submits([dupont.line(day, change="CANCEL"), dupont.line(other)])
    assert answers(mixed) == ["CANCELLED", "REFUSED ACCOUNT_IN_DEBIT"]
    assert await martin.asks(other) == ["ACCEPTED"]


async def test_s37_one_report_mail_with_exactly_the_skeleton(found: Found) -> None:
    town = await found(activities=[activity("aps", capacity=1)], families=[family("dupont"), family("martin")])
    dupont, martin = await town.everybody("dupont", "martin")
    days = next_days(3)
    await martin.asks(days[1])
    await dupont.asks(days[0])
    (first,) = await until(lambda: mails(dupont, 1))
    report = await dupont.submits([dupont.line(days[0], change="CANCEL"), dupont.line(days[1]), dupont.line(days[2])])
    assert answers(report) == ["CANCELLED", "WAITLISTED 1", "ACCEPTED"]
    both = await until(lambda: mails(dupont, 2))
    mail = next(mail for mail in both if mail["id"] != first["id"])
    names = ["lun.", "mar.", "mer.", "jeu.", "ven.", "sam.", "dim."]
    shown = [f"{names[day.weekday()]} {day:%d/%m}" for day in days]
    expected = f"""M. DUPONT Jean-Paul

Veuillez trouver ci-dessous un compte rendu des modifications apportées à vos demandes de réservation sur la structure : Mairie de {town.structure.title()}.

3 mouvements sur vos demandes de réservations ont été reçus, dont :

- 2 nouvelles demandes de réservation
- 1 demande d'annulation

***** RESERVATIONS MISES EN LISTE D'ATTENTE *****

--> Activité : APS :

DUPONT Dupont-Child : {shown[1]}

***** RESERVATIONS ACCEPTEES *****

--> Activité : APS :

DUPONT Dupont-Child : {shown[2]}

***** RESERVATIONS ANNULEES *****

--> Activité : APS :

DUPONT Dupont-Child : {shown[0]}

Vous pouvez consulter l'état de vos réservations sur notre site Internet."""
    assert mail["text"].strip().replace("\r\n", "\n") == expected


async def test_s36_who_waited_is_told_by_mail_that_a_place_is_theirs(found: Found) -> None:
    town = await found(activities=[activity("aps", capacity=1)], families=[family("dupont"), family("martin")])
    dupont, martin = await town.everybody("dupont", "martin")
    (day,) = next_days(1)
    await dupont.asks(day)
    await martin.asks(day)
    await until(lambda: mails(martin, 1))
    await dupont.cancels(day)
    assert len(await until(lambda: mails(martin, 2))) == 2


async def test_the_opening_rush_in_small_nobody_is_oversold(found: Found, system: System) -> None:
    names = [f"f{n}" for n in range(24)]
    town = await found(activities=[activity("aps", capacity=5, waiting_list=3)], families=[family(name) for name in names])
    families = await town.everybody(*names)
    days = next_days(6)
    everything = await asyncio.gather(*(one.asks(*days) for one in families))
    for column in zip(*everything, strict=True):
        assert sorted(column) == ["ACCEPTED"] * 5 + ["REFUSED FULL"] * 16 + ["WAITLISTED 1", "WAITLISTED 2", "WAITLISTED 3"]
    checked = system.preau("check", check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


async def mails(one: Family, count: int) -> list[dict[str, Any]]:
    """so many mails have come"""
    found = await one.mails()
    return found if len(found) >= count else []


def flat(cents: int) -> list[dict[str, Any]]:
    return [{"from": "today-40d", "per": "presence", "bands": [{"cents": cents}]}]
