"""Money at the agents' desk: refunds, transfers, corrections, deposits, the day's books, debts, online payments in trouble."""

import re
from typing import Any

import pytest

from tests.flows.conftest import Found
from tests.flows.town import Town, activity, family, today
from tests.portal.conftest import MakeVisitor
from tests.portal.test_money import Api, text_of
from tests.portal.visitor import Visitor

HERE = "/bureau/paiements"
CHEQUE = {"date": "today", "mode": "CHEQUE", "reference": "2578012", "payer": "GUIDE DENIS", "wallet": "periscolaire", "cents": 50_06}


async def office(found: Found, visitor: MakeVisitor) -> tuple[Town, Visitor, dict[str, str]]:
    """A town, its agent at the desk, and what each form about the guide's family sends beside its own."""
    town = await found(activities=[activity("aps")], families=[family("guide"), family("leroy")])
    one = visitor()
    await one.signs_in(town, "agent")
    return town, one, {"famille": town.file["families"][0]["number"], "id": town.named("guide"), "cle": "k"}


async def balances(town: Town) -> dict[str, int]:
    guide = await town.sign_in("guide")
    return {line["wallet"]["name"]: line["balanceCents"] for line in (await guide.balance())["lines"]}


async def paid(one: Visitor, town: Town, sent: dict[str, str], euros: str, **more: str) -> str:
    told = {"mode": "CHEQUE", "payeur": "GUIDE DENIS", "piece": "2578012", "banque": "CREDIT AGRICOLE", "date": today().isoformat(), **more}
    answer = await one.sends(HERE, **sent | told, **{f"montant-{town.named('periscolaire')}": euros})
    assert answer.status_code == 200, answer.text
    return answer.text


def wrong_at(html: str) -> list[str]:
    """The fields that the summary of errors leads to."""
    found = re.search(r'id="erreurs".*?</div>', html, re.S)
    return re.findall(r'href="#([^"]+)"', found[0]) if found else []


async def test_money_goes_back_over_and_right_once_each(found: Found, visitor: MakeVisitor) -> None:
    """Sent twice each is done once; what is refused stands at its field, with what was typed."""
    town, one, sent = await office(found, visitor)
    peri, multi = town.named("periscolaire"), town.named("multi")
    await paid(one, town, sent, "50,06")
    back = {"rembourser-porte": peri, "rembourser-mode": "TRANSFER", "rembourser-beneficiaire": "GUIDE DENIS", "rembourser-montant": "20"}
    over = {"transferer-porte": peri, "transferer-vers": multi, "transferer-montant": "10,05"}
    right = {"corriger-porte": peri, "corriger-sens": "retirer", "corriger-montant": "3,79"}
    why = {f"{act}-motif": "Demande de la famille" for act in ("rembourser", "transferer", "corriger")}
    for act, form, changes in (
        ("rembourser", back, {"montant": ["vingt", "", "-1", "50,07"], "mode": ["INTERNET", "x"], "beneficiaire": [""], "motif": [""]}),
        ("rembourser", {**back, "rembourser-mode": "CHEQUE"}, {"piece": [""]}),
        ("rembourser", {**back, "rembourser-banque": "x" * 101}, {"banque": ["x" * 101]}),
        ("transferer", over, {"montant": ["50,07", "1e3"], "vers": [peri], "motif": ["ab"], "porte": ["nobodys"]}),
        ("corriger", right, {"montant": ["0", "200000"], "porte": ["", "x"], "sens": ["", "x"], "motif": ["x" * 501]}),
    ):
        for name, odd in changes.items():
            for value in odd:
                refused = await one.sends(f"{HERE}/{act}", **sent | form | why | {f"{act}-{name}": value})
                assert (refused.status_code, wrong_at(refused.text)) == (422, [f"{act}-{name}"]), (act, name, value)
                kept = form | {f"{act}-{name}": value}
                assert f'id="{act}-montant" name="{act}-montant" type="text" value="{kept[f"{act}-montant"]}"' in refused.text
                assert 'name="cle" value="k"' in refused.text, "sent again, it is the same"
    assert await balances(town) == {"PERISCOLAIRE": 50_06, 'Multiaccueil "Les Tagazoux"': 0}
    for act, form in (("rembourser", back), ("transferer", over), ("corriger", right)):
        for _ in range(2):
            done = await one.sends(f"{HERE}/{act}", **sent | form | why)
            assert done.status_code == 200
    assert await balances(town) == {"PERISCOLAIRE": 50_06 - 20_00 - 10_05 - 3_79, 'Multiaccueil "Les Tagazoux"': 10_05}
    shown = text_of(done.text)
    for words in ("Solde corrigé : −3,79 €", "Virement, GUIDE DENIS PERISCOLAIRE · Demande de la famille −20,00 €", "Régularisation"):
        assert words in shown
    other = await one.sends(f"{HERE}/rembourser", **sent | back | why | {"rembourser-montant": "1"})
    assert other.status_code == 422
    assert 'name="cle" value="k"' not in other.text, "another refund begins anew"
    assert wrong_at(other.text) == ["rembourser-montant"]
    assert 'name="rembourser-montant" type="text" value=""' in other.text, "and is not made by one more click"
    given = await one.sends(f"{HERE}/corriger", **sent | right | why | {"cle": "l", "corriger-sens": "donner"})
    assert "Solde corrigé : +3,79 €" in text_of(given.text)


async def test_s11_what_is_recorded_already_is_not_recorded_again_by_a_changed_form(found: Found, visitor: MakeVisitor) -> None:
    """Whoever got no answer and mends the form finds no amount in it, and is told to look at what was done."""
    town, one, sent = await office(found, visitor)
    await paid(one, town, sent, "50,06")
    amount = f"montant-{town.named('periscolaire')}"
    changed = {"mode": "CHEQUE", "payeur": "GUIDE DENISE", "piece": "2578013", amount: "50,06"}
    refused = await one.sends(HERE, **sent | changed)
    assert (refused.status_code, wrong_at(refused.text)) == (422, ["montants"])
    assert "Un premier envoi est déjà enregistré" in text_of(refused.text)
    assert f'name="{amount}" type="text" value=""' in refused.text
    assert ('name="cle" value="k"' in refused.text, 'value="GUIDE DENISE"' in refused.text) == (False, True)
    (payment,) = re.findall(r'name="reglement" value="([^"]+)"', refused.text)
    back = {"famille": sent["famille"], "reglement": payment}
    assert (
        "Le règlement est contrepassé." in (await one.sends(f"{HERE}/contrepasser", **back, **{f"motif-{payment}": "Sans provision"})).text
    )
    again = await one.sends(f"{HERE}/contrepasser", **back, **{f"motif-{payment}": "Impayé"})
    assert (again.status_code, "Ce règlement était déjà contrepassé." in again.text) == (200, True), "as no answer had come"
    assert ("contrepassé le" in again.text, f'value="{payment}"' in again.text) == (True, False), "and not offered again"
    assert (await balances(town))["PERISCOLAIRE"] == 0


async def test_what_was_paid_is_brought_to_the_bank_and_stands_in_the_days_books(found: Found, visitor: MakeVisitor) -> None:
    town, one, sent = await office(found, visitor)
    day = today().isoformat()
    await paid(one, town, sent, "50,06", date=day)
    await paid(one, town, sent | {"cle": "m"}, "12", mode="CASH", piece="", date=day)
    page = (await one.opens(f"{HERE}/remises")).text
    (piece,) = re.findall(r'name="piece" value="([^"]+)" checked', page)
    assert "2578012 GUIDE DENIS, CREDIT AGRICOLE" in text_of(page)
    slip = {"cle": "d", "mode": "CHEQUE", "piece": piece, "bordereau": "B-12", "date": day}
    for field, odd in (("date", "hier"), ("date", "2999-01-01"), ("bordereau", "x" * 101), ("piece", "nothing")):
        refused = await one.sends(f"{HERE}/remises", **slip | {field: odd})
        assert (refused.status_code, wrong_at(refused.text)) == (422, ["pieces" if field == "piece" else field]), (field, odd)
        assert f'value="{odd if field == "bordereau" else "B-12"}"' in refused.text
    assert wrong_at((await one.sends(f"{HERE}/remises", cle="d", mode="CHEQUE")).text) == ["pieces"]
    for _ in range(2):
        done = await one.sends(f"{HERE}/remises", **slip)
    shown = text_of(done.text)
    assert "Remise enregistrée : 1 règlement." in shown
    assert "Rien à remettre." in shown
    assert shown.count("Chèque, B-12 50,06 €") == 1
    closing = text_of((await one.opens(f"{HERE}/caisse", date=day)).text)
    assert "Chèque Encaissé 50,06 € (1)" in closing
    assert "Espèces Encaissé 12,00 € (1)" in closing
    assert "Total de la journée : 62,06 €" in closing
    assert (await one.opens(f"{HERE}/caisse", date="lundi")).status_code == 422
    journal = await one.opens(f"{HERE}/journal", du=day, au=day, format="CSV")
    assert "50,06" in journal.text
    for name, value in (("du", "x"), ("au", "2026-02-30"), ("au", "2000-01-01"), ("format", "ODS"), ("du", "2000-01-01")):
        refused = await one.opens(f"{HERE}/journal", **{"du": day, "au": day, "format": "CSV", name: value})
        assert (refused.status_code, wrong_at(refused.text)) == (422, [name]), (name, value)
    acts = text_of((await one.opens(f"{HERE}/operations")).text)
    assert acts.count("Règlement enregistré") == 2 * 2, "each has its details"
    assert "Remise en banque" in acts
    await one.opens(HERE, lang="en")
    for path in ("", f"?famille={sent['famille']}", "/remises", "/en-ligne", "/impayes", "/caisse", "/operations"):
        english = text_of((await one.opens(HERE + path)).text)
        assert re.findall(r"\b(?:Règlement|Remise|Motif|Montant|Enregistrer|Aucun|Porte-monnaie|Impayés|Chèque|Date :)\b", english) == [], (
            path
        )


async def test_s21_who_owes_stands_in_a_list_the_deepest_first(found: Found, visitor: MakeVisitor) -> None:
    town, one, sent = await office(found, visitor)
    assert "Aucune famille ne doit rien." in text_of((await one.opens(f"{HERE}/impayes")).text)
    take = {"corriger-porte": town.named("periscolaire"), "corriger-sens": "retirer", "corriger-motif": "Reprise"}
    await one.sends(f"{HERE}/corriger", **sent | take, **{"corriger-montant": "25,80"})
    listed = text_of((await one.opens(f"{HERE}/impayes")).text)
    assert "1 famille doit de l’argent. Total dû : 25,80 €." in listed
    assert f"({sent['famille']}) Compte débiteur : réservations fermées −25,80 €" in listed


# ------------------------------------------------------------------------------------------------------ online payments
def in_trouble(**more: Any) -> dict[str, Any]:
    """As the API tells one: 63.40 was asked for, 60.00 came."""
    trouble = {"code": "OTHER_MONEY", "message": "60,00 € sont arrivés.", "since": None, "amountCents": 60_00, "currency": "EUR"}
    return {
        "startedAt": "2026-11-03T08:00:00Z",
        "heard": "PAID",
        "heardAt": None,
        "askedNextAt": None,
        "provider": "sandbox",
        "waitsForAgent": True,
        "family": {"number": "0031"},
        "payment": {"id": "p1", "amountCents": 63_40, "status": "STARTED"},
        "lines": [{"amountCents": 63_40, "wallet": {"id": "w", "name": "PERISCOLAIRE"}}],
        "trouble": {**trouble, "reference": "3150-N°AUTO:445401"},
        **more,
    }


def online(*payments: dict[str, Any], **told: Any) -> tuple[Api, Visitor]:
    total = {"totalCount": len(payments), "totalCents": 63_40, "endCursor": None, "hasNextPage": False}
    api = Api(unsettledPayments={"nodes": list(payments), **total}, **told)
    api.me |= {"agentOf": [{"id": "t", "name": "T", "timezone": "Europe/Paris"}], "secondFactorMissing": []}
    return api, api.visitor()


async def test_s19_what_came_and_credits_nobody_is_ended_by_an_agent() -> None:
    quiet = in_trouble(waitsForAgent=False, trouble=None, heard="STARTED", payment={"id": "p2", "amountCents": 1_00, "status": "STARTED"})
    api, one = online(quiet, in_trouble(), done={"__typename": "EndedPayment"})
    page = (await one.opens(f"{HERE}/en-ligne")).text
    shown = text_of(page)
    assert shown.index("60,00 € sont arrivés.") < shown.index("Under way, says the payment site"), "what waits comes first"
    assert page.count('name="paiement"') == 1, "nothing is to be done with the other"
    assert 'name="montant-p1-w" type="text" value="60.00"' in page, "what came is suggested, not what was asked for"
    sent = {"cle": "k", "paiement": "p1", "fin": "CREDITED", "montant-p1-w": "60.00", "motif-p1": "Commission retenue"}
    assert (await one.sends(f"{HERE}/en-ligne", **sent)).status_code == 303
    assert "The family is credited" in (await one.opens(f"{HERE}/en-ligne")).text
    order = next(each["variables"]["input"] for each in api.asked if "EndOnlinePayment" in each["query"])
    lines = [{"wallet": "w", "amountCents": 60_00}]
    assert order == {"onlinePayment": "p1", "end": "CREDITED", "reason": "Commission retenue", "idempotencyKey": "k-p1", "lines": lines}
    await one.sends(f"{HERE}/en-ligne", **sent | {"fin": "GIVEN_BACK", "montant-p1-w": "sixty"})
    (order,) = [each["variables"]["input"] for each in api.asked if "EndOnlinePayment" in each["query"]][1:]
    assert (order["end"], "lines" in order) == ("GIVEN_BACK", False)


@pytest.mark.parametrize(
    ("code", "field"),
    [
        ("REASON_REQUIRED", "motif-p1"),
        ("INVALID_AMOUNT", "montants-p1"),
        ("NOTHING_TO_END", "fin-p1"),
        ("IDEMPOTENCY_KEY_REUSED", "fin-p1"),
    ],
)
async def test_why_a_payment_is_not_ended_stands_at_the_field(code: str, field: str) -> None:
    _, one = online(in_trouble(), done={"__typename": "No", "code": code, "message": "Not so."})
    await one.opens(f"{HERE}/en-ligne")
    sent = {"cle": "k", "paiement": "p1", "fin": "CREDITED", "montant-p1-w": "12.34", "motif-p1": "Because"}
    refused = await one.sends(f"{HERE}/en-ligne", **sent)
    assert (refused.status_code, wrong_at(refused.text)) == (422, [field])
    assert 'value="Because"' in refused.text
    kept = code != "IDEMPOTENCY_KEY_REUSED"
    assert ('value="12.34"' in refused.text, 'name="cle" value="k"' in refused.text, "Not so." in refused.text) == (kept, kept, kept)


async def test_what_is_no_end_and_no_amount_is_asked_of_nobody() -> None:
    api, one = online(in_trouble())
    await one.opens(f"{HERE}/en-ligne")
    for odd, field in (
        ({"fin": ""}, "fin-p1"),
        ({"fin": "x"}, "fin-p1"),
        ({"montant-p1-w": "much"}, "montant-p1-w"),
        ({"montant-p1-w": "0"}, "montant-p1-w"),
    ):
        sent = {"cle": "k", "paiement": "p1", "fin": "CREDITED", "montant-p1-w": "12.34", "motif-p1": "Because", **odd}
        refused = await one.sends(f"{HERE}/en-ligne", **sent)
        assert (refused.status_code, wrong_at(refused.text)) == (422, [field])
    assert not any("mutation" in each["query"] for each in api.asked)


async def test_each_wallet_is_offered_what_was_asked_for_it() -> None:
    """A line whose wallet is gone takes nothing from those behind it."""
    lines = [{"amountCents": 1_00, "wallet": None}, {"amountCents": 62_40, "wallet": {"id": "w", "name": "PERISCOLAIRE"}}]
    _, one = online(in_trouble(trouble=None, lines=lines))
    assert 'name="montant-p1-w" type="text" value="62.40"' in (await one.opens(f"{HERE}/en-ligne")).text


async def test_what_is_wrong_on_a_later_page_stands_on_that_page() -> None:
    piece = {
        "family": {"number": "0031"},
        "payment": {"id": "c1", "date": "2026-11-03", "reference": "1", "payer": "G", "bank": None, "amountCents": 1_00},
    }
    pieces = {"nodes": [piece], "totalCount": 201, "totalCents": 1_00, "endCursor": None, "hasNextPage": False}
    api, one = online(in_trouble(), undepositedPayments=pieces, deposits={"nodes": []})
    for path, form in (("/en-ligne", {"paiement": "p1", "fin": "x"}), ("/remises", {"mode": "CHEQUE", "piece": "c1", "date": "x"})):
        (action,) = set(re.findall(rf'action="({HERE}{path}[^"]*)"', (await one.opens(HERE + path, apres="c")).text))
        refused = await one.sends(action, cle="k", **form)
        assert (refused.status_code, f'action="{action}"' in refused.text) == (422, True)
        assert [each["variables"]["after"] for each in api.asked if "after" in each["variables"]][-2:] == ["c", "c"], path
