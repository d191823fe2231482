"""The agents' desk: what an activity is, waiting lists, runs, the journal. All by forms, without a browser."""

import html
import re
from typing import Any

from tests.flows.conftest import Found
from tests.flows.town import activity, family, next_days
from tests.portal.conftest import MakeVisitor

ACTIVITY = """query($structure: ID!) { activities(structure: $structure) { id name category opensOn closesOn settings { version weekdays
  schoolHolidays closedOn openOn capacity waitingList capacityOn { date places } hours { arrival departure earliest latest stepMinutes
  minimumMinutes } bookingDeadline { daysBefore at hoursBefore weekday weeksBefore workingDays } cancellationDeadline { daysBefore at
  workingDays hoursBefore } allocation { scheduledAt policy points { criterion { id } points } }
  attendance { closeAfterDays unrecorded } } } }"""


def form_of(page: str) -> dict[str, Any]:
    """What the page's form sends as it stands."""
    fields = dict(re.findall(r'<input id="[^"]+" name="([^"]+)" type="(?:text|time|date)" value="([^"]*)"', page))
    fields |= dict(re.findall(r'<input type="hidden" name="(version)" value="([^"]*)"', page))
    fields |= dict(re.findall(r'<textarea id="[^"]+" name="([^"]+)"[^>]*>([^<]*)</textarea>', page))
    for name, options in re.findall(r'<select id="[^"]+" name="([^"]+)"[^>]*>(.*?)</select>', page):
        chosen = re.findall(r'<option value="([^"]*)" selected', options)
        fields[name] = chosen[0] if chosen else re.findall(r'<option value="([^"]*)"', options)[0]
    fields["jours"] = re.findall(r'name="jours" value="(\w+)" checked', page)
    fields |= dict(re.findall(r'<input type="checkbox" id="[^"]+" name="([\w-]+)" value="(\w+)" checked', page))
    return {name: html.unescape(told) if isinstance(told, str) else told for name, told in fields.items()}


async def test_an_activity_is_changed_field_by_field_and_loses_nothing_else(visitor: MakeVisitor, found: Found) -> None:
    full = {
        "category": "Loisirs",
        "hours": {"from": "07:30", "to": "18:30", "step_minutes": 30, "minimum_minutes": 60},
        "booking_deadline": {"weekday": "thursday", "at": "12:00", "weeks_before": 2},
        "cancellation_deadline": {"hours_before": 36},
        "allocation": {"scheduled_at": "03:00", "policy": "points", "points": {"both_parents_work": 40}},
        "attendance": {"close_after_days": 2, "unrecorded": "absent"},
    }
    town = await found(activities=[activity("aps", **full)], families=[family("dupont", children=("amalia",))])
    one, (day,) = visitor(), next_days(1)
    agent = await town.agent()
    await one.signs_in(town, "agent")

    async def stored() -> dict[str, Any]:
        (known,) = (await agent.ask(ACTIVITY, {"structure": town.structure}))["activities"]
        known["settings"].pop("version")
        return dict(known)

    was, path = await stored(), f"/bureau/activites/{town.named('aps')}"
    assert f'href="{path}/reglages"' in (await one.opens(path)).text
    page = (await one.opens(f"{path}/reglages")).text
    same = form_of(page)
    assert (await one.sends(f"{path}/reglages", **same)).status_code == 200
    assert await stored() == was, "sent as it stood, nothing changes"
    for field, wrong in (
        ("pas", "0"),
        ("places", "beaucoup"),
        ("fermes", "demain"),
        ("depart", "06:00"),
        ("nom", ""),
        ("ferme-le", "2001-01-01"),
    ):
        answer = await one.sends(f"{path}/reglages", **same | {field: wrong})
        assert (answer.status_code, f'id="{field}-erreur"' in answer.text) == (422, True), field
    changed = same | {"nom": "APS du matin", "places": "", "attente": "0", "repartition": "IMMEDIATE", "fermes": f"{day:%d/%m/%Y}"}
    changed |= {"jours": ["MONDAY", "TUESDAY"], "ouverts": "", "reserver": "DAYS", "reserver-nombre": "3", "reserver-ouvres": "oui"}
    shown = (await one.sends(f"{path}/reglages", **changed)).text
    assert "Les réglages sont modifiés" in shown
    now = await stored()
    assert (now["name"], now["settings"]["capacity"], now["settings"]["closedOn"]) == ("APS du matin", None, [day.isoformat()])
    assert now["settings"]["weekdays"] == ["MONDAY", "TUESDAY"]
    assert now["settings"]["bookingDeadline"] == {
        "daysBefore": 3, "at": "12:00", "hoursBefore": None, "weekday": None, "weeksBefore": None, "workingDays": True,
    }  # fmt: skip
    assert now["settings"]["hours"] == was["settings"]["hours"]
    late = await one.sends(f"{path}/reglages", **same)
    assert (late.status_code, "Quelqu’un l’a modifiée entre-temps" in late.text) == (422, True)


async def test_a_new_activity_costs_what_another_costs_until_families_book_it(visitor: MakeVisitor, found: Found) -> None:
    town = await found(activities=[activity("aps")], families=[family("dupont", children=("amalia",))])
    one = visitor()
    await one.signs_in(town, "agent")
    fresh = form_of((await one.opens("/bureau/nouvelle-activite")).text)
    told = {"code": "chorale", "comme": town.named("aps"), "nom": "Chorale", "arrivee": "17:00", "depart": "18:00", "places": "12"}
    season = {"ouvre-le": next_days(1)[0].isoformat(), "ferme-le": next_days(1, start_in=90)[0].isoformat()}
    assert 'id="ouvre-le-erreur"' in (await one.sends("/bureau/nouvelle-activite", **fresh | told)).text
    assert 'id="code-erreur"' in (await one.sends("/bureau/nouvelle-activite", **fresh | told | season | {"code": "é"})).text
    made = (await one.sends("/bureau/nouvelle-activite", **fresh | told | season)).text
    assert "Chorale" in made
    taken = await one.sends("/bureau/nouvelle-activite", **fresh | told | season)
    assert (taken.status_code, 'id="code-erreur"' in taken.text) == (422, True)
    other = await found(activities=[activity("aps")], families=[family("leroy")])
    stranger = visitor()
    await stranger.signs_in(other, "agent")
    path = f"/bureau/activites/{town.named('aps')}/reglages"
    assert (await stranger.opens(path)).status_code == 404
    assert (await stranger.sends(path, **fresh | told | season | {"version": "1"})).status_code == 404


async def test_s24_who_waits_in_which_order_and_who_did_what(visitor: MakeVisitor, found: Found) -> None:
    town = await found(activities=[activity("aps", capacity=1)], families=[family("dupont", children=("amalia", "paolo"))])
    other = await found(activities=[activity("aps")], families=[family("leroy")])
    (day,), parent, one, stranger = next_days(1), await town.sign_in("dupont"), visitor(), visitor()
    await parent.submits([parent.line(day, child="amalia")])
    await parent.submits([parent.line(day, child="paolo")])
    await one.signs_in(town, "agent")
    await stranger.signs_in(other, "agent")
    assert "attend.</p>" in (await stranger.opens("/bureau/attente")).text
    listed = (await one.opens("/bureau/attente")).text
    (line,) = {html.unescape(path) for path in re.findall(r'href="(/bureau/attente\?activite=[^"]+)"', listed)}
    queue = (await one.opens(line)).text
    assert "DUPONT Paolo" in queue
    assert "DUPONT Amalia" not in queue
    assert (await stranger.opens(line)).status_code == 404
    # What an agent does stands in the journal, of that structure alone.
    change = {
        "jour": day.isoformat(),
        "ouvert-avant": "oui",
        "places-avant": "1",
        "ouvert": "oui",
        "places": "2",
        "motif": "Un animateur de plus",
    }
    await one.sends(f"/bureau/activites/{town.named('aps')}/jour", **change)
    told = (await one.opens("/bureau/journal")).text
    assert "Un animateur de plus" in told
    assert "Un animateur de plus" in (await one.opens("/bureau/journal", acte="SET_OPENING", jour=day.isoformat())).text
    assert "Un animateur de plus" not in (await one.opens("/bureau/journal", acte="CLOSE_DAY")).text
    assert "Un animateur de plus" not in (await stranger.opens("/bureau/journal")).text
    number = town.file["families"][0]["number"]
    assert "Donnez le numéro" not in (await one.opens("/bureau/journal", partie="SEEN")).text, "for administrators alone"
    await town.administrator()
    chief = visitor()
    await chief.signs_in(town, "agent")
    await chief.opens(f"/bureau/familles/{number}")
    assert "Donnez le numéro" in (await chief.opens("/bureau/journal", partie="SEEN")).text
    assert "Amalia DUPONT" in (await chief.opens("/bureau/journal", partie="SEEN", famille=number)).text
    assert "Aucune famille" in (await chief.opens("/bureau/journal", partie="REGISTER", famille="personne")).text
