"""Who works for the structure and with which rights, whom it has invited, and which families are to be erased, at the agents' desk."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from gateway.portal.desk import desk_page, enter, field_of, is_administrator, key_of
from gateway.portal.forms import Form
from gateway.portal.operations import operation
from gateway.portal.visit import Visit

HERE = "/bureau/equipe"
INVITATIONS = "/bureau/invitations"
#: What a refusal begins with -> its field.
NAMED = {"TEAM_STRUCTURE_NAME": "nom"}
ROLES = ("NONE", "AGENT", "ADMINISTRATOR")
FACTORS = ("REQUIRED", "OPTIONAL", "AS_INSTALLED")
ZONES = ("A", "B", "C")
MOST_OLD = 500  #: Told at once.
TEAM = operation("""query DeskTeam($structure: ID!) { ...Shell me { agentOf { id secretQuestions } }
  agents(structure: $structure) { account login firstName lastName role } }""")
INVITED = operation("""query DeskInvitations($structure: ID!, $after: String) { ...Shell agents(structure: $structure) { account role }
  invitations(structure: $structure, first: 30, after: $after) { hasNextPage endCursor nodes { id email gives invitedAt expiresAt state
    family { id number } invitedBy { firstName lastName } adult { firstName lastName } } } }""")
ERASURES = operation("""query DeskErasures($structure: ID!) { ...Shell erasures(structure: $structure) { id state reason askedAt
  obstacles despite family { number } by { firstName lastName } } }""")
OLD = operation("""query DeskOldFamilies($structure: ID!, $after: ID) {
  familiesToErase(structure: $structure, afterFamily: $after) { id number } }""")
_DONE = "{ __typename ... on Refusal { code message } }"
SET_STRUCTURE = operation(f"mutation ChangeStructure($input: ChangeStructureInput!) {{ done: changeStructure(input: $input) {_DONE} }}")
SET_ROLE = operation(f"mutation SetRole($input: SetRoleInput!) {{ done: setRole(input: $input) {_DONE} }}")
RESET = operation(f"mutation ResetFactors($input: ResetFactorsInput!) {{ done: resetFactors(input: $input) {_DONE} }}")
INVITE_COLLEAGUE = operation(f"mutation InviteColleague($input: InviteColleagueInput!) {{ done: inviteColleague(input: $input) {_DONE} }}")
INVITE_AGAIN = operation(f"mutation InviteAdultAgain($input: InviteAdultInput!) {{ done: inviteAdult(input: $input) {_DONE} }}")
WITHDRAW = operation(f"mutation WithdrawInvitation($input: WithdrawInvitationInput!) {{ done: withdrawInvitation(input: $input) {_DONE} }}")


# -------------------------------------------------------------------------------------------------------------- the team
async def team(visit: Visit) -> Response:
    await enter(visit)
    return await _team(visit)


async def _team(visit: Visit, errors: Mapping[str, str] | None = None, typed: Mapping[str, str] | None = None) -> Response:
    assert visit.office is not None, "whoever asks has entered"
    data = await visit.ask(TEAM, structure=visit.office["id"])
    colleagues = data["agents"]
    told = {
        "asks": any(each["secretQuestions"] for each in data["me"]["agentOf"] if each["id"] == visit.office["id"]),
        "colleagues": colleagues,
        "administers": is_administrator(visit, colleagues),
        "roles": ROLES,
        "factors": FACTORS,
        "zones": ZONES,
        "key": key_of(visit, typed),
        "errors": errors or {},
        "typed": typed or {},
    }
    return desk_page(visit, "desk_team.html", "team", status=422 if errors else 200, **told)


def _told(form: Form) -> dict[str, str]:
    return {name: form.one(name) for name in form}


async def set_role(visit: Visit) -> Response:
    """Of a colleague, or of whoever has the login that was written."""
    form = await visit.form()
    office = await enter(visit)
    which = form.one("lequel") and f"-{form.one('lequel')}"
    role = form.one(f"role{which}")
    order = {
        "structure": office["id"],
        "login": form.one("identifiant"),
        "role": role if role in ROLES else "AGENT",
        "reason": form.one(f"motif-role{which}"),
        "idempotencyKey": form.one("cle"),
    }
    told = await visit.order(SET_ROLE, input=order)
    if "code" in told:
        others = f"role{which}" if which else "identifiant"
        return await _team(visit, {f"motif-role{which}" if told["code"] == "REASON_REQUIRED" else others: told["message"]}, _told(form))
    return visit.see_other(HERE, "TEAM_CHANGED")


async def reset(visit: Visit) -> Response:
    """Second factors that somebody lost."""
    form = await visit.form()
    office = await enter(visit)
    account = form.one("lequel")
    about = {"structure": office["id"], "account": account, "idempotencyKey": form.one("cle")}
    told = await visit.order(RESET, input={**about, "reason": form.one(f"motif-facteur-{account}")})
    if "code" in told:
        return await _team(visit, {f"motif-facteur-{account}": told["message"]}, _told(form))
    return visit.see_other(HERE, "TEAM_RESET")


async def invite(visit: Visit) -> Response:
    form = await visit.form()
    office = await enter(visit)
    order = {
        "structure": office["id"],
        "email": form.one("courriel"),
        "administrator": form.one("administre") == "oui",
        "language": form.one("langue-lettre", "fr"),
        "reason": form.one("motif-inviter"),
        "idempotencyKey": form.one("cle"),
    }
    told = await visit.order(INVITE_COLLEAGUE, input=order)
    if "code" in told:
        return await _team(visit, {"motif-inviter" if told["code"] == "REASON_REQUIRED" else "courriel": told["message"]}, _told(form))
    return visit.see_other(INVITATIONS, "INVITED")


async def set_structure(visit: Visit) -> Response:
    """What is left as it is, is not told."""
    form = await visit.form()
    office = await enter(visit)
    order: dict[str, Any] = {"structure": office["id"], "idempotencyKey": form.one("cle"), "reason": form.one("motif-structure") or None}
    order |= {name: form.one(field) for name, field in (("name", "nom"), ("timezone", "fuseau"))}
    if form.one("zone") in (*ZONES, "aucune"):
        order["schoolZone"] = form.one("zone").replace("aucune", "")
    if form.one("questions") in ("oui", "non"):
        order["secretQuestions"] = form.one("questions") == "oui"
    if form.one("facteur") in FACTORS:
        order["secondFactor"] = form.one("facteur")
    told = await visit.order(SET_STRUCTURE, input=order)
    if "code" in told:
        field = "motif-structure" if told["code"] == "REASON_REQUIRED" else field_of(visit, told["message"], NAMED, "", "fuseau")
        return await _team(visit, {field: told["message"]}, _told(form))
    return visit.see_other(HERE, "TEAM_CHANGED")


# ------------------------------------------------------------------------------------------------------------ invitations
async def invitations(visit: Visit) -> Response:
    """`?apres=`"""
    await enter(visit)
    return await _invitations(visit)


async def _invitations(visit: Visit, errors: Mapping[str, str] | None = None, typed: Mapping[str, str] | None = None) -> Response:
    assert visit.office is not None, "whoever asks has entered"
    after = visit.request.query_params.get("apres") or None
    data = await visit.ask(INVITED, structure=visit.office["id"], after=after)
    told = {
        "invited": data["invitations"],
        "administers": is_administrator(visit, data["agents"]),
        "key": key_of(visit, typed),
        "errors": errors or {},
        "typed": typed or {},
    }
    return desk_page(visit, "desk_invitations.html", "families", status=422 if errors else 200, **told)


async def again(visit: Visit) -> Response:
    """To the same address, with a new link: the one of before is good no longer."""
    form = await visit.form()
    office = await enter(visit)
    id = form.one("lequel")
    reason = {"reason": form.one(f"motif-{id}")} if form.one(f"motif-{id}") else {}
    order: dict[str, Any] = {"email": form.one("courriel"), "idempotencyKey": form.one("cle")}
    if form.one("famille"):
        told = await visit.order(INVITE_AGAIN, input={**order, "family": form.one("famille"), **reason})
    else:
        order |= {"structure": office["id"], "administrator": form.one("donne") == "ADMINISTRATOR", "reason": form.one(f"motif-{id}")}
        told = await visit.order(INVITE_COLLEAGUE, input=order)
    if "code" in told:
        return await _invitations(visit, {f"motif-{id}": told["message"]}, _told(form))
    return visit.see_other(INVITATIONS, "INVITED")


async def withdraw(visit: Visit) -> Response:
    form = await visit.form()
    await enter(visit)
    id = form.one("lequel")
    order = {"invitation": id, "reason": form.one(f"motif-retrait-{id}"), "idempotencyKey": form.one("cle")}
    told = await visit.order(WITHDRAW, input=order)
    if "code" in told:
        return await _invitations(visit, {f"motif-retrait-{id}": told["message"]}, _told(form))
    return visit.see_other(INVITATIONS, "INVITATION_GONE")


# --------------------------------------------------------------------------------------------------------------- erasures
async def erasures(visit: Visit) -> Response:
    """`?apres=`: for administrators; for others it is not there."""
    office = await enter(visit)
    after = visit.request.query_params.get("apres") or None
    old = (await visit.ask(OLD, structure=office["id"], after=after)).get("familiesToErase") or []
    told = (await visit.ask(ERASURES, structure=office["id"]))["erasures"]
    more = old[-1]["id"] if len(old) == MOST_OLD else None
    return desk_page(visit, "desk_erasures.html", "families", erasures=told, old=[each for each in old if each["number"]], more=more)


PAGES = [
    (HERE, ("GET",), team),
    (f"{HERE}/role", ("POST",), set_role),
    (f"{HERE}/facteurs", ("POST",), reset),
    (f"{HERE}/inviter", ("POST",), invite),
    (f"{HERE}/structure", ("POST",), set_structure),
    (INVITATIONS, ("GET",), invitations),
    (f"{INVITATIONS}/renvoyer", ("POST",), again),
    (f"{INVITATIONS}/retirer", ("POST",), withdraw),
    ("/bureau/effacements", ("GET",), erasures),
]
