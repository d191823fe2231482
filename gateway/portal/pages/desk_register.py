"""A family's file at the agents' desk: who belongs to it, where the children are admitted, its data, and how all of it is erased."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from gateway.portal.desk import Wrong, date_in, desk_page, enter, field_of, is_administrator, key_of, today
from gateway.portal.forms import Form
from gateway.portal.operations import operation
from gateway.portal.visit import Answered, Visit

HERE = "/bureau/familles"
NEW = "/bureau/nouvelle-famille"
NEW_ADULTS, NEW_CHILDREN = 2, 4  #: Lines of the form for a new family.
LANGUAGES = ("fr", "en")
OBSTACLES = ("OWES_MONEY", "HAS_CREDIT", "DAYS_NOT_CHARGED", "PAYMENT_UNDER_WAY", "HAS_BOOKINGS")
REGISTER = operation("""query DeskRegister($structure: ID!, $search: String!) { ...Shell
  families(structure: $structure, search: $search, first: 20) { nodes { id number
    adults { id title firstName lastName account { login email language shared hasPassword } }
    children { id firstName lastName birthDate } dataExports { id state askedAt expiresAt file { url } } } }
  agents(structure: $structure) { account role } }""")
#: What booking knows of it.
ENROLLED = operation("""query DeskEnrolled($structure: ID!, $search: String!) {
  families(structure: $structure, search: $search, first: 20) { nodes { number criteria { id }
    children { id enrollments { activity { id name } from until } } } }
  activities(structure: $structure) { id name } criteria(structure: $structure) { id name } }""")
SHELL_ALONE = operation("query DeskNewFamily { ...Shell }")
_DONE = "{ __typename ... on Refusal { code message } }"
CREATE = operation("""mutation CreateFamily($input: CreateFamilyInput!) { done: createFamily(input: $input) {
  __typename ... on Family { number } ... on Refusal { code message } } }""")
CHANGE = operation(f"mutation ChangeFamily($input: ChangeFamilyInput!) {{ done: changeFamily(input: $input) {_DONE} }}")
ADD_CHILD = operation(f"mutation AddChild($input: AddChildInput!) {{ done: addChild(input: $input) {_DONE} }}")
CHANGE_CHILD = operation(f"mutation ChangeChild($input: ChangeChildInput!) {{ done: changeChild(input: $input) {_DONE} }}")
REMOVE_CHILD = operation(f"mutation RemoveChild($input: RemoveChildInput!) {{ done: removeChild(input: $input) {_DONE} }}")
ADD_ADULT = operation(f"mutation AddAdult($input: AddAdultInput!) {{ done: addAdult(input: $input) {_DONE} }}")
REMOVE_ADULT = operation(f"mutation RemoveAdult($input: RemoveAdultInput!) {{ done: removeAdult(input: $input) {_DONE} }}")
OPEN_ACCOUNT = operation(f"mutation OpenAccount($input: OpenAccountInput!) {{ done: openAccount(input: $input) {_DONE} }}")
CHANGE_ACCOUNT = operation(f"mutation ChangeAccount($input: ChangeAccountInput!) {{ done: changeAccount(input: $input) {_DONE} }}")
INVITE = operation(f"mutation InviteAdult($input: InviteAdultInput!) {{ done: inviteAdult(input: $input) {_DONE} }}")
ENROLL = operation(f"mutation EnrollChild($input: EnrollChildInput!) {{ done: enrollChild(input: $input) {_DONE} }}")
END = operation(f"mutation EndEnrollment($input: EndEnrollmentInput!) {{ done: endEnrollment(input: $input) {_DONE} }}")
CRITERIA = operation(f"""mutation SetFamilyCriteria($family: ID!, $criteria: [String!]!) {{
  done: setFamilyCriteria(family: $family, criteria: $criteria) {_DONE} }}""")
DATA = operation(f"mutation RequestFamilyData($family: ID!) {{ done: requestMyData(family: $family) {_DONE} }}")
ERASE = operation("""mutation EraseFamily($input: EraseFamilyInput!) { done: eraseFamily(input: $input) {
  __typename ... on ErasureObstructed { obstacles } ... on Refusal { code message } } }""")


# ---------------------------------------------------------------------------------------------------------- a new family
async def new(visit: Visit) -> Response:
    await enter(visit)
    return await _new_page(visit)


async def _new_page(visit: Visit, errors: Mapping[str, str] | None = None, typed: Mapping[str, str] | None = None) -> Response:
    lines = {"adult_lines": range(1, NEW_ADULTS + 1), "child_lines": range(1, NEW_CHILDREN + 1)}
    told = {"key": key_of(visit, typed), "errors": errors or {}, "typed": typed or {}, **lines}
    return desk_page(visit, "desk_new_family.html", "families", status=422 if errors else 200, **told)


async def create(visit: Visit) -> Response:
    form = await visit.form()
    office = await enter(visit)
    typed = {name: form.one(name) for name in form}
    try:
        children = [_child(visit, form, f"-{n}") for n in range(1, NEW_CHILDREN + 1) if form.one(f"prenom-{n}") or form.one(f"nom-{n}")]
    except Wrong as wrong:
        return await _new_page(visit, wrong.told, typed)
    order = {
        "structure": office["id"],
        "number": form.one("numero"),
        "logins": [login for n in range(1, NEW_ADULTS + 1) if (login := form.one(f"identifiant-{n}"))],
        "children": children,
        "idempotencyKey": form.one("cle"),
        **_reason(form, "motif"),
    }
    told = await visit.order(CREATE, input=order)
    if "code" not in told:
        return visit.see_other(_address(told["number"]), "REGISTER_CREATED")
    fields = {"NUMBER_TAKEN": "numero", "UNKNOWN_ACCOUNT": "identifiant-1", "REASON_REQUIRED": "motif"}
    first_child = "prenom-1" if children and form.one("numero") else "numero"
    field = fields.get(told["code"]) or field_of(visit, told["message"], NAMED, "", first_child)
    if field in ("prenom", "nom", "naissance", "identifiant"):
        field = f"{field}-1"
    return await _new_page(visit, {field: told["message"]}, typed)


# --------------------------------------------------------------------------------------------------------------- its file
async def file(visit: Visit) -> Response:
    """`/bureau/familles/{number}/dossier`"""
    await enter(visit)
    return await _page(visit, visit.request.path_params["number"])


async def _page(
    visit: Visit, number: str, errors: Mapping[str, str] | None = None, typed: Mapping[str, str] | None = None, **more: Any
) -> Response:
    assert visit.office is not None, "whoever asks has entered"
    data = await visit.ask(REGISTER, structure=visit.office["id"], search=number)
    family = next((one for one in data["families"]["nodes"] if one["number"] == number), None)
    if family is None:
        raise Answered(visit.trouble("NOT_HERE", 404))
    booking = await visit.seek(ENROLLED, structure=visit.office["id"], search=number)
    known: Mapping[str, Any] = next((one for one in (booking.get("families") or {}).get("nodes", ()) if one["number"] == number), {})
    enrolled = {each["id"]: each["enrollments"] for each in known.get("children", ())}
    children = [{**each, "enrollments": enrolled.get(each["id"])} for each in family["children"]]
    told = {
        "told": {**family, "children": children, "criteria": known.get("criteria")},
        "activities": booking.get("activities") or [],
        "criteria": booking.get("criteria") or [],
        "administers": is_administrator(visit, data.get("agents")),
        "key": key_of(visit, typed),
        "today": today(visit).isoformat(),
        "languages": LANGUAGES,
        "errors": errors or {},
        "typed": typed or {},
        "obstacles": (),
        **more,
    }
    return desk_page(visit, "desk_register.html", "families", status=422 if errors else 200, **told)


def _address(number: str) -> str:
    return f"{HERE}/{quote(number, safe='')}/dossier"


#: What an entry is called, which a refusal of the register begins with -> its field.
NAMED = {
    "REGISTER_FIRST_NAME": "prenom",
    "REGISTER_LAST_NAME": "nom",
    "REGISTER_NUMBER": "numero",
    "REGISTER_TITLE": "civilite",
    "REGISTER_LOGIN": "identifiant",
}


def _reason(form: Form, field: str) -> dict[str, str]:
    return {"reason": form.one(field)} if form.one(field) else {}


def _child(visit: Visit, form: Form, which: str) -> dict[str, Any]:
    """NewChildInput. Raises Wrong."""
    born = date_in(visit, form, f"naissance{which}")
    return {"firstName": form.one(f"prenom{which}"), "lastName": form.one(f"nom{which}"), "birthDate": born}


def _account(form: Form, which: str) -> dict[str, Any]:
    """What is said of an account. An empty password is none."""
    told = {"title": "civilite", "firstName": "prenom-adulte", "lastName": "nom-adulte", "email": "courriel-adulte"}
    said: dict[str, Any] = {name: form.one(f"{field}{which}") for name, field in told.items()}
    password = form.whole(f"motdepasse{which}")
    language = form.one(f"langue{which}", "fr")
    return {**said, "language": language, **({"password": password} if password else {})}


@dataclass(frozen=True, slots=True)
class Act:
    """What a form of the page does. Fields that are there several times end with a stroke and an id: `which`."""

    document: str
    order: Callable[[Visit, Form, str], dict[str, Any]]  #: Variables beside family, key and reason. Raises Wrong.
    said: str
    field: str  #: Where a refusal stands, which is about none of the others.
    reason: str = ""  #: Its field; empty: none is asked for.
    fields: Mapping[str, str] | None = None  #: Code of a refusal -> field.
    named: Mapping[str, str] | None = None  #: As NAMED.
    family: bool = True  #: The order names it.
    keyed: bool = True


def _enrolled(visit: Visit, form: Form, which: str) -> dict[str, Any]:
    period = {"from": date_in(visit, form, "inscrit-du"), "until": date_in(visit, form, "inscrit-au")}
    where = {"child": form.one("inscrit-enfant"), "activity": form.one("inscrit-activite")}
    return {**where, **period, "cancelBookings": form.one("inscrit-annuler") == "oui"}


def _ended(visit: Visit, form: Form, which: str) -> dict[str, Any]:
    last = date_in(visit, form, f"fin{which}", needed=True)
    where = {"child": form.one("enfant"), "activity": form.one("activite")}
    return {**where, "lastDay": last, "cancelBookings": form.one(f"fin-annuler{which}") == "oui"}


def _opened(visit: Visit, form: Form, which: str) -> dict[str, Any]:
    assert visit.office is not None, "whoever asks has entered"
    return {"structure": visit.office["id"], "login": form.one("identifiant-adulte"), **_account(form, "")}


def _changed_account(visit: Visit, form: Form, which: str) -> dict[str, Any]:
    assert visit.office is not None, "whoever asks has entered"
    return {"structure": visit.office["id"], "account": form.one("compte"), **_account(form, which)}


def _changed_child(visit: Visit, form: Form, which: str) -> dict[str, Any]:
    return {"child": form.one("enfant"), **_child(visit, form, which)}


def _removed_child(visit: Visit, form: Form, which: str) -> dict[str, Any]:
    return {"child": form.one("enfant")}


def _removed_adult(visit: Visit, form: Form, which: str) -> dict[str, Any]:
    return {"account": form.one("compte")}


def _invited(visit: Visit, form: Form, which: str) -> dict[str, Any]:
    return {"email": form.one("courriel"), "language": form.one("langue-lettre", "fr")}


def _erased(visit: Visit, form: Form, which: str) -> dict[str, Any]:
    return {"despite": [one for one in form["malgre"] if one in OBSTACLES]}


ENROLL_FIELDS = {"PERIOD_REVERSED": "inscrit-au", "BOOKINGS_OUTSIDE": "inscrit-annuler"}
END_FIELDS = {"BOOKINGS_OUTSIDE": "fin-annuler"}
ADULT_NAMED = {**NAMED, "REGISTER_FIRST_NAME": "prenom-adulte", "REGISTER_LAST_NAME": "nom-adulte", "REGISTER_LOGIN": "identifiant-adulte"}
ADULT_FIELDS = {"INVALID_EMAIL": "courriel-adulte", "PASSWORD_TOO_WEAK": "motdepasse", "LOGIN_TAKEN": "identifiant-adulte"}
ACTS: dict[str, Act] = {
    "numero": Act(CHANGE, lambda _, form, __: {"number": form.one("numero")}, "REGISTER_CHANGED", "numero"),
    "enfant": Act(ADD_CHILD, lambda visit, form, _: {"child": _child(visit, form, "")}, "REGISTER_CHILD_ADDED", "naissance"),
    "enfant-modifier": Act(CHANGE_CHILD, _changed_child, "REGISTER_CHANGED", "naissance", family=False),
    "enfant-retirer": Act(REMOVE_CHILD, _removed_child, "REGISTER_CHILD_GONE", "motif-retrait", "motif-retrait", family=False),
    "adulte": Act(ADD_ADULT, lambda _, form, __: {"login": form.one("identifiant")}, "REGISTER_ADULT_ADDED", "identifiant"),
    "adulte-retirer": Act(REMOVE_ADULT, _removed_adult, "REGISTER_ADULT_GONE", "motif-retrait", "motif-retrait"),
    "compte": Act(OPEN_ACCOUNT, _opened, "REGISTER_ADULT_ADDED", "identifiant-adulte", fields=ADULT_FIELDS, named=ADULT_NAMED),
    "compte-modifier": Act(
        CHANGE_ACCOUNT, _changed_account, "REGISTER_CHANGED", "nom-adulte", fields=ADULT_FIELDS, named=ADULT_NAMED, family=False
    ),
    "inviter": Act(INVITE, _invited, "INVITED", "courriel"),
    "inscrire": Act(ENROLL, _enrolled, "REGISTER_ENROLLED", "inscrit-activite", "inscrit-motif", ENROLL_FIELDS, family=False, keyed=False),
    "desinscrire": Act(END, _ended, "REGISTER_ENROLLMENT_ENDED", "fin", "fin-motif", END_FIELDS, family=False, keyed=False),
    "criteres": Act(CRITERIA, lambda _, form, __: {"criteria": form["critere"]}, "REGISTER_CHANGED", "criteres", keyed=False),
    "donnees": Act(DATA, lambda _, __, ___: {}, "REGISTER_DATA_ASKED", "demander-donnees", keyed=False),
    "effacer": Act(ERASE, _erased, "REGISTER_ERASED", "effacer", "motif-effacer"),
}
PLAIN = frozenset({"criteres", "donnees"})  #: Their mutations take their arguments as they are, not as an input.


async def act(visit: Visit) -> Response:
    form = await visit.form()
    await enter(visit)
    number, name = visit.request.path_params["number"], visit.request.path_params["acte"]
    wanted = ACTS.get(name)
    if wanted is None:
        raise Answered(visit.trouble("NOT_HERE", 404))
    which = form.one("lequel") and f"-{form.one('lequel')}"
    # A password stands nowhere again.
    typed = {each: form.one(each) for each in form if not each.startswith("motdepasse")}
    try:
        order = {**wanted.order(visit, form, which), **({"family": form.one("famille")} if wanted.family else {})}
    except Wrong as wrong:
        return await _page(visit, number, wrong.told, typed)
    if wanted.keyed:
        order["idempotencyKey"] = form.one("cle")
    if wanted.reason:
        order |= _reason(form, wanted.reason + which) or ({"reason": ""} if name in NEED_REASON else {})
    told = await visit.order(wanted.document, **(order if name in PLAIN else {"input": order}))
    if "code" in told:
        field = wanted.reason if told["code"] == "REASON_REQUIRED" else (wanted.fields or {}).get(told["code"])
        field = field or field_of(visit, told["message"], wanted.named or NAMED, "", wanted.field)
        more = {"obstacles": told["obstacles"]} if "obstacles" in told else {}
        return await _page(visit, number, {field + which: told["message"]}, typed, **more)
    if name == "effacer":
        return visit.see_other("/bureau/effacements", wanted.said)
    return visit.see_other(_address(form.one("numero") if name == "numero" else number), wanted.said)


#: What these take cannot be null.
NEED_REASON = frozenset({"enfant-retirer", "adulte-retirer", "effacer"})

PAGES = [
    (NEW, ("GET",), new),
    (NEW, ("POST",), create),
    (f"{HERE}/{{number}}/dossier", ("GET",), file),
    (f"{HERE}/{{number}}/dossier/{{acte}}", ("POST",), act),
]
