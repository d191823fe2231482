"""Families from a spreadsheet's file: a report of each line, whatever is wrong with one, and twice is as good as once."""

import datetime as dt
import json
from dataclasses import asdict, replace
from typing import Any

import pytest
from sqlalchemy import event
from sqlmodel import select

from services.identity import family_file, importing, office
from services.identity.family_file import decoded
from services.identity.import_fields import ImportReport
from services.identity.invariants import violations
from services.identity.office import Agent
from services.identity.tables import Account, Child
from services.refusal import Refused
from tests.identity.town import AGENT, AGENT_PASSWORD, DUPONT, NEIGHBOUR, NOW, PASSWORD, RunFixture, Town

TODAY = dt.date(2026, 11, 23)
HEADING = "numero;type;identifiant;civilite;nom;prenom;email;langue;date de naissance"
FILE = f"""{HEADING}
P1;adulte;Petit.Lou;Mme;PETIT;Lou;lou@example.org;fr;
P1;enfant;;;PETIT;Nino;;;29/02/2020
P1;enfant;;;PETIT;Ada;;;2018-01-01
003150;enfant;;;dupont;AMÀLIA;;;13/04/2019
003150;enfant;;;DUPONT;Zoé;;;
"""
IMPORT = """mutation ($structure: ID!, $csv: String!, $key: String!, $dry: Boolean! = false) {
  importFamilies(structure: $structure, csv: $csv, idempotencyKey: $key, dryRun: $dry) { __typename
    ... on Refusal { code message }
    ... on ImportReport { created changed unchanged refused lines { line outcome family message } } } }"""


@pytest.fixture
async def town(running: RunFixture) -> Town:
    return await Town.of(running)


async def imports(town: Town, csv: str, *, key: str | None = None, dry: bool = False, language: str = "fr") -> dict[str, Any]:
    token = (await town.signs_in("agent", AGENT_PASSWORD))["accessToken"]
    given = {"structure": "carteville", "csv": csv, "key": key or csv[-150:], "dry": dry}
    answer: dict[str, Any] = (await town.answers(IMPORT, token, language=language, **given))["importFamilies"]
    return answer


async def operator_imports(town: Town, csv: str) -> dict[str, Any]:
    """As `preau import` does."""
    agent = Agent("preau import", "carteville", operator=True)
    told = await importing.load(town.running.database, town.running.clock, agent, csv, dry_run=False, most=None)
    return asdict(ImportReport.of(told, "fr"))


def outcomes(report: dict[str, Any]) -> list[tuple[int, str]]:
    return [(one["line"], one["outcome"]) for one in report["lines"]]


async def children(town: Town, family: str = "dupont") -> list[tuple[str, str, dt.date | None]]:
    async with town.running.database.reading() as session:
        rows = (await session.exec(select(Child).where(Child.family_id == family).order_by(Child.position))).all()  # type: ignore[arg-type]
    return [(row.first_name, row.last_name, row.birth_date) for row in rows if row.listed]


# ---------------------------------------------------------------------------------------------------------------- the file
@pytest.mark.parametrize("parted", [";", ",", "\t"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_file_is_read_however_a_spreadsheet_writes_it(parted: str, ends: str) -> None:
    text = "\ufeff" + FILE.replace(";", parted).replace("\n", ends)
    petit, dupont = family_file.read(text, TODAY)
    assert (petit.number, [adult.login for adult in petit.adults], [one.line for one in petit.children]) == ("P1", ["petit.lou"], [3, 4])
    assert [one.birth_date for one in petit.children] == [dt.date(2020, 2, 29), dt.date(2018, 1, 1)]
    assert (dupont.lines, dupont.mistakes) == ([5, 6], {})


def test_bytes_are_utf_8_or_what_windows_writes() -> None:
    for encoding in ("utf-8", "utf-8-sig", "cp1252"):
        assert decoded("Zoé Œuvre €".encode(encoding)) == "Zoé Œuvre €"
    assert decoded(b"\x81") == "\ufffd"


def test_english_headings_quotes_and_lines_within_a_cell_are_read_with_their_line() -> None:
    text = (
        'Family number,Login,Last name,First name,Birth date\n\n"A, 1","ab""c",PETIT,Lou,\n"A, 1",,"PE\nTIT",Nino,\n"A, 1",,PETIT,Ada,x\n'
    )
    (found,) = family_file.read(text, TODAY)
    assert (found.number, found.adults[0].login, found.lines) == ("A, 1", 'ab"c', [3, 4, 6])
    assert {line: no.details["text"] for line, no in found.mistakes.items()} == {4: "LINE_NOT_POSSIBLE", 6: "DAY_NOT_POSSIBLE"}


def test_what_begins_like_a_formula_is_a_name_and_its_apostrophe_none() -> None:
    text = "numero;nom;prenom\n'=1;'=cmd|' /C calc'!A0;-Ana\n'12;O'Neil;'Abi\n"
    formula, plain = family_file.read(text, TODAY)
    assert (formula.number, formula.children[0].last_name, formula.children[0].first_name) == ("=1", "=cmd|' /C calc'!A0", "-Ana")
    assert (plain.number, plain.children[0].last_name, plain.children[0].first_name) == ("'12", "O'Neil", "'Abi")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "COLUMN_MISSING"),
        ("numero;nom\n", "COLUMN_MISSING"),
        ("numero;nom;prenom\n", "FILE_EMPTY"),
        ("numero;nom;prenom;salaire\n1;A;B;2\n", "UNKNOWN_COLUMN"),
        ("numero;nom;prenom;nom de famille\n1;A;B;C\n", "COLUMN_TWICE"),
        ("numero;nom;prenom\n" + "1;A;B\n" * 11, "FILE_TOO_LONG"),
        ("numero;nom;prenom\n1;A;" + "B" * 200_000 + "\n", "FILE_NOT_CSV"),
    ],
)
def test_a_file_that_is_none_is_refused_whole(text: str, why: str) -> None:
    with pytest.raises(Refused) as refused:
        family_file.read(text, TODAY, most=10)
    assert (refused.value.code, refused.value.details["text"]) == ("INVALID_FILE", why)


# -------------------------------------------------------------------------------------------------------------- the import
async def test_families_are_made_and_changed_line_by_line_and_once(town: Town) -> None:
    report = await imports(town, FILE)
    assert outcomes(report) == [(2, "CREATED"), (3, "CREATED"), (4, "CREATED"), (5, "CHANGED"), (6, "CREATED")]
    assert (report["created"], report["changed"], report["unchanged"], report["refused"]) == (4, 1, 0, 0)
    assert await children(town) == [
        ("AMÀLIA", "dupont", dt.date(2019, 4, 13)), ("Paolo", "DUPONT", dt.date(2023, 9, 30)), ("Zoé", "DUPONT", None),
    ]  # fmt: skip
    (contacts,) = [
        told for one in await town.events("contacts_changed") if "lou@example.org" in one.body for told in [json.loads(one.body)]
    ]
    (family,) = [
        told for one in await town.events("family_changed") for told in [json.loads(one.body)] if told["family"] == contacts["family"]
    ]
    assert (family["version"], contacts["version"], family["structure"]) == (1, 1, "carteville")
    assert family["adults"] == [adult["account"] for adult in contacts["adults"]]
    assert [contacts["children"][child] for child in family["children"]] == ["PETIT Ada", "PETIT Nino"], "the eldest first"
    assert sorted(contacts["birth_dates"].values()) == ["2018-01-01", "2020-02-29"]
    before = len(await town.events())
    again = await imports(town, FILE, key="another")
    assert {outcome for _, outcome in outcomes(again)} == {"UNCHANGED"}
    assert len(await town.events()) == before
    async with town.running.database.reading() as session:
        assert await violations(session) == []
        lou = (await session.exec(select(Account).where(Account.login == "petit.lou"))).one()
    assert (lou.title, lou.first_name, lou.email) == ("Mme", "Lou", "lou@example.org")
    token = (await town.signs_in("agent", AGENT_PASSWORD))["accessToken"]
    acts = '{ identityActs(structure: "carteville") { nodes { kind family { number } } } }'
    told = (await town.answers(acts, token))["identityActs"]["nodes"]
    assert told == [{"kind": "IMPORT_FAMILY", "family": {"number": number}} for number in ("003150", "P1")]
    assert (await imports(town, FILE + "P2;enfant;;;A;B;;;\n", key="another"))["code"] == "IDEMPOTENCY_KEY_REUSED"


async def test_the_same_key_again_answers_what_the_first_one_answered(town: Town) -> None:
    first = await imports(town, FILE + "P9;enfant;;;;;;;\n", key="once")
    assert {outcome for _, outcome in outcomes(first)} == {"CREATED", "CHANGED", "REFUSED"}
    assert await imports(town, FILE + "P9;enfant;;;;;;;\n", key="once") == first
    english = await imports(town, FILE + "P9;enfant;;;;;;;\n", key="once", language="en")
    assert outcomes(english) == outcomes(first)
    assert english["lines"][-1]["message"] != first["lines"][-1]["message"], "in the language of whoever asks again"


async def test_an_import_that_died_halfway_goes_on_with_the_same_key(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    async def dies(*_: object, **__: object) -> str:
        raise RuntimeError("the power went")

    monkeypatch.setattr(office, "keep_answer", dies)
    token = (await town.signs_in("agent", AGENT_PASSWORD))["accessToken"]
    _, errors = await town.asked(IMPORT, token, structure="carteville", csv=FILE, key="once")
    assert errors is not None
    monkeypatch.undo()
    assert {outcome for _, outcome in outcomes(await imports(town, FILE, key="once"))} == {"UNCHANGED"}


async def test_a_dry_run_says_the_same_and_keeps_nothing(town: Town) -> None:
    before = len(await town.events())
    tried = await imports(town, FILE, dry=True, key="dry")
    assert len(await town.events()) == before
    assert outcomes(tried) == outcomes(await imports(town, FILE))


async def test_a_wrong_line_keeps_its_family_out_and_no_other(town: Town) -> None:
    csv = f"""{HEADING}
P1;adulte;petit;;PETIT;Lou;not an address;;
P1;enfant;;;PETIT;Nino;;;
P2;enfant;;;GRAND;Ida;;;01/01/1980
P3;enfant;;;LONG;Eve;;;01/01/2020
;enfant;;;PERDU;Tom;;;
P4;chat;;;CHAT;Minou;;;
P5;adulte;nobody;;;;;;
P6;enfant;;;DEUX;Ana;;;
P6;enfant;;;deux;ANA;;;
"""
    report = await imports(town, csv)
    assert outcomes(report) == [(line, "CREATED" if line == 5 else "REFUSED") for line in range(2, 11)]
    said = {one["line"]: one["message"] for one in report["lines"]}
    assert said[2] == "Cette adresse e-mail n’est pas valable."
    assert said[3] == "Rien de cette famille n’est chargé : voyez la ligne 2."
    assert said[6] == "Numéro de famille : de 1 à 40 caractères, sur une ligne."
    assert said[8] == "Un nouveau compte a besoin d’un nom et d’un prénom."
    assert said[10] == "Cette personne est déjà à la ligne 9."
    english = await imports(town, csv, key="english", language="en")
    assert {one["line"]: one["message"] for one in english["lines"]}[7] == "“chat”: adult or child is expected."
    async with town.running.database.reading() as session:
        assert (await session.exec(select(Account).where(Account.login == "petit"))).first() is None


async def test_an_account_of_another_town_or_an_agents_joins_by_the_operator_and_stays_as_it_is(town: Town) -> None:
    await town.puts(NEIGHBOUR, replace(DUPONT, login="leo", structure="autreville"))
    csv = f"""{HEADING}
P1;adulte;leo;;Dupont;jean paul;taken@example.org;;
P2;adulte;agent;;AUTRE;Nom;taken@example.org;;
003150;adulte;dupont;;DUPOND;;nouveau@example.org;;
"""
    assert outcomes(await imports(town, csv, dry=True, key="agent")) == [(2, "REFUSED"), (3, "CREATED"), (4, "CHANGED")]
    report = await operator_imports(town, csv)
    assert outcomes(report) == [(2, "CREATED"), (3, "CREATED"), (4, "CHANGED")]
    assert [bool(one["message"]) for one in report["lines"]] == [True, True, False]
    async with town.running.database.reading() as session:
        rows = {row.login: row for row in (await session.exec(select(Account))).all()}
    assert {login: (row.last_name, row.email) for login, row in rows.items()} == {
        "leo": ("DUPONT", "jp.dupont@example.org"), "agent": ("MARTIN", None), "dupont": ("DUPOND", "nouveau@example.org"),
    }  # fmt: skip
    assert rows["dupont"].first_name == "Jean-Paul", "what is left empty stays"
    assert (await town.signs_in("agent", AGENT_PASSWORD))["account"]["agentOf"] == [{"id": "carteville"}]
    assert len((await town.signs_in("leo", PASSWORD))["account"]["families"]) == 1


async def test_a_login_of_another_town_lets_nobody_in_who_is_not_called_so(town: Town) -> None:
    """Two towns hand out `dupont`: the one's Dupont is not to see the other's children. Nobody but the operator is told why."""
    await town.puts(NEIGHBOUR, replace(DUPONT, login="leo", structure="autreville"))
    lines = f"""{HEADING}
P1;adulte;leo;;DUPONT;Léo;;;
P1;enfant;;;DUPONT;Zoé;;;
P2;adulte;leo;;;;;;
"""
    report = await operator_imports(town, lines)
    assert outcomes(report) == [(2, "REFUSED"), (3, "REFUSED"), (4, "REFUSED")]
    assert "autre structure" in report["lines"][0]["message"]
    assert (await town.signs_in("leo", PASSWORD))["account"]["families"] == []


async def test_dying_between_two_portions_harms_nothing(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "PORTION", 2)
    csv = HEADING + "\n" + "".join(f"N{n};adulte;login{n};;NOM;Prénom;;;\nN{n};enfant;;;NOM;Enfant;;;\n" for n in range(5))
    real, calls = importing.note, []

    async def dies(*args: Any) -> None:
        calls.append(args)
        if len(calls) == 2:
            raise RuntimeError("the process dies")
        await real(*args)

    monkeypatch.setattr(importing, "note", dies)
    token = (await town.signs_in("agent", AGENT_PASSWORD))["accessToken"]
    given = {"structure": "carteville", "csv": csv, "key": "k"}
    assert (await town.asked(IMPORT, token, **given))[1]
    report = (await town.answers(IMPORT, token, **given))["importFamilies"]
    assert (report["unchanged"], report["created"]) == (4, 6)
    async with town.running.database.reading() as session:
        assert await violations(session) == []


async def test_many_families_cost_few_statements(town: Town) -> None:
    csv = HEADING + "\n" + "".join(f"N{n};adulte;login{n};;NOM;Prénom;;;\nN{n};enfant;;;NOM;Enfant;;;\n" for n in range(60))
    statements: list[str] = []
    event.listen(town.running.database.engine.sync_engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    assert (await imports(town, csv))["created"] == 120
    assert len(statements) < 70, "for sixty families that there were not"
    statements.clear()
    assert (await imports(town, csv, key="again"))["unchanged"] == 120
    assert len(statements) < 45, "for sixty families"


async def test_only_agents_of_the_structure_import(town: Town) -> None:
    await town.puts(NEIGHBOUR, replace(AGENT, login="other", agent_of="autreville", structure="autreville"))
    for token in (None, (await town.signs_in())["accessToken"], (await town.signs_in("other", AGENT_PASSWORD))["accessToken"]):
        assert (await town.asked(IMPORT, token, structure="carteville", csv=FILE, key="k"))[1]
    assert NOW.date() == TODAY
    assert json.loads((await town.events("family_changed"))[-1].body)["family"] == "dupont"
