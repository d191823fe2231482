"""Nothing of a family is visible to another: every question the contract allows, asked by whom it does not concern.

Whatever is somebody else's must answer exactly as what does not exist: an answer that differs would tell that it does.
"""

import asyncio
import base64
import datetime as dt
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
import yaml
from joserfc import jwt
from joserfc.jwk import OctKey
from sqlmodel import select

from services.claims import Caller
from services.database import Database
from services.identity.tables import Secret
from services.identity.tokens import Signer, new_key
from tests.facts import until
from tests.flows import questions, town
from tests.flows.questions import SUBGRAPHS, Entity, Ids, Question, Slot
from tests.flows.system import System
from tests.flows.town import Family, Town, activity, family, next_days

AT_ONCE = 12
UNKNOWN = {kind: f"nobody-{kind}" for kind in (*questions.NAMES.values(), *questions.BY_ID, "agent")}
#: What only the victim's own family may ever read. Odd enough to be found wherever they come up.
CANARIES = ("Zephyrine", "KANARINSKI", "2011-11-17", "CHQ-CANARI", "PAYEUR CANARI", "BANQUE CANARI", "771341", "31379", "canari@")
#: And this whoever is not of the town.
TOWN_CANARIES = ("ACTIVITE CANARI", "PORTE-MONNAIE CANARI", "ANNONCE CANARI", "MAIRIE CANARI")
PRICE = 31379


@dataclass
class Scene:
    system: System
    here: Town
    elsewhere: Town
    victim: Family
    neighbour: Family
    stranger: Family
    agent: str  #: Access token of the victim's town's agent.
    foreign_agent: str
    signer: Signer  #: The installation's own.
    day: dt.date
    ids: dict[str, dict[str, str]]  #: victim, neighbour, stranger -> kind -> id
    numbers: tuple[str, ...] = ()  #: Of the victim's bookings and requests.
    clients: dict[str, httpx2.AsyncClient] = field(default_factory=dict)

    @property
    def samples(self) -> dict[str, Any]:
        # No amount and no reason: the town's own agent, who may ask all of it, shall move no money either.
        plain = {
            "String": "mot",
            "Int": 100,
            "year": dt.datetime.now(dt.UTC).year,
            "amountCents": 0,
            "reason": "no",
            "idempotencyKey": "canari",
            "email": "x@example.org",
        }
        return {"Date": self.day.isoformat(), "YearMonth": self.day.isoformat()[:7], "LocalTime": "08:00", **plain}

    def secrets(self, *, foreign: bool) -> tuple[str, ...]:
        return (*CANARIES, *self.numbers, *(TOWN_CANARIES if foreign else ()))

    async def ask(self, where: str, text: str, variables: dict[str, Any], token: str | None) -> str:
        """The raw answer of the gateway, or of a subgraph."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        answer = await self.clients[where].post("/graphql", json={"query": text, "variables": variables}, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.text


# ------------------------------------------------------------------------------------------------------------- the towns
def town_file(structure: str, *, canary: bool) -> dict[str, Any]:
    """Two families and an agent; with odd names and amounts all over where it is the victim's."""
    name = "CANARI" if canary else "COMMUNE"
    paid = [
        {
            "date": "today-3d",
            "mode": "CHEQUE",
            "reference": "CHQ-CANARI",
            "payer": "PAYEUR CANARI",
            "bank": "BANQUE CANARI",
            "wallet": "periscolaire",
            "cents": 771341,
        }
    ]
    price = [{"from": "today-40d", "per": "presence", "bands": [{"cents": PRICE if canary else 100}]}]
    lots = {"scheduled_at": "02:00", "policy": "lottery"}
    file = town.renamed(
        structure,
        [activity("aps", name=f"ACTIVITE {name}", tariff=price, capacity=None), activity("loisirs", allocation=lots)],
        [family("victim", payments=paid if canary else []), family("neighbour", activities=["aps", "loisirs"])],
    )
    file["structure"]["name"] = f"MAIRIE {name}"
    file["wallets"][0]["name"] = f"PORTE-MONNAIE {name}"
    file["announcements"][0]["title"] = f"ANNONCE {name}"
    if canary:
        (child,) = file["families"][0]["children"]
        child |= {"first_name": "Zephyrine", "last_name": "KANARINSKI", "birth_date": "2011-11-17"}
        account = next(one for one in file["accounts"] if one["login"].endswith("victim"))
        account |= {"first_name": "Zephyrine", "last_name": "KANARINSKI", "email": f"canari@{structure}.example.org"}
    agent = {"login": f"{structure}-agent", "password": town.PASSWORD, "first_name": "Anne", "last_name": "MARTIN", "agent": True}
    file["accounts"].append(agent)
    return file


async def build(system: System, folder: Path) -> Scene:
    async with system.client() as client:
        here, elsewhere = [await found_town(system, folder, client, canary=canary) for canary in (True, False)]
        victim, neighbour = await here.everybody("victim", "neighbour")
        stranger = await elsewhere.sign_in("neighbour")
        agents = [await one.post(town.SIGN_IN, {"login": f"{one.structure}-agent", "password": town.PASSWORD}) for one in (here, elsewhere)]
        (day,) = next_days(1, start_in=3)
        ids, names = {}, ("victim", "neighbour", "stranger")
        for name, one in zip(names, (victim, neighbour, stranger), strict=True):
            request = await one.submits([one.line(day)])
            assert town.answers(request) == ["ACCEPTED"]
            ids[name] = ids_of(one, request) | {"onlinePayment": await started_payment(one), "removeFactor": f"factor-of-{name}"}
            ids[name]["endSession"] = await session_of(one)
        tokens = [one["data"]["signIn"]["accessToken"] for one in agents]
        for name, one, agent in zip(("victim", "stranger"), (neighbour, stranger), tokens, strict=True):
            assert town.answers(await one.submits([one.line(day + dt.timedelta(1), activity="loisirs")])) == ["SUBMITTED"]
            ids[name]["allocationRun"] = await held_run(one.town, agent)
        ids["neighbour"]["allocationRun"] = "no-run-of-mine"
        await victim.costs(PRICE)
        month = (dt.datetime.now(dt.UTC) - dt.timedelta(3)).strftime("%Y-%m")
        paid = await victim.ask(
            "query($month: YearMonth!) { me { families { payments(month: $month) { payments { id } } } } }", {"month": month}
        )
        ids["victim"]["payment"] = paid["me"]["families"][0]["payments"]["payments"][0]["id"]
        seen = (await victim.ask("{ me { id families { requests { nodes { movements { booking { number } } } } } } }"))["me"]
        home = (await victim.ask("{ me { families { structure { announcements { id } } } } }"))["me"]["families"][0]["structure"]
        ids["victim"]["announcement"] = ids["neighbour"]["announcement"] = home["announcements"][0]["id"]
    (movement,) = seen["families"][0]["requests"]["nodes"][0]["movements"]
    ids["victim"] |= {"account": seen["id"], "agent": f"{here.structure}/{seen['id']}"}
    numbers = (movement["booking"]["number"],)
    return Scene(system, here, elsewhere, victim, neighbour, stranger, *tokens, await signer(system), day, ids, numbers)


async def found_town(system: System, folder: Path, client: httpx2.AsyncClient, *, canary: bool) -> Town:
    structure = f"town{next(town.ids)}"
    file = town_file(structure, canary=canary)
    path = folder / f"{structure}.yaml"
    path.write_text(yaml.safe_dump(file, allow_unicode=True, sort_keys=False))
    await town.load_file(system, path)
    return Town(system, structure, client, file)


async def held_run(one: Town, agent: str) -> str:
    """The town's agent holds the run of its activity that has runs."""
    query = (
        "mutation($activity: ID!) { runAllocation(activity: $activity) { ... on AllocationReport { run { id } } ... on Refusal { code } } }"
    )
    answer = await one.post(query, {"activity": one.named("loisirs")}, token=agent)
    held: str = answer["data"]["runAllocation"]["run"]["id"]
    return held


async def session_of(one: Family) -> str:
    seen = await one.ask("{ me { sessions { id current } } }")
    id: str = next(each["id"] for each in seen["me"]["sessions"] if each["current"])
    return id


async def started_payment(one: Family) -> str:
    line = {"wallet": one.town.named("periscolaire"), "amountCents": 100}
    query = "mutation($input: StartPaymentInput!) { startPayment(input: $input) { ... on OnlinePayment { id } } }"
    started = await one.ask(query, {"input": {"family": one.id, "lines": [line], "idempotencyKey": "isolation"}})
    id: str = started["startPayment"]["id"]
    return id


def ids_of(one: Family, request: dict[str, Any]) -> dict[str, str]:
    booking = request["movements"][0]["booking"]["id"]
    town_ids = {"activity": one.town.named("aps"), "wallet": one.town.named("periscolaire"), "structure": one.town.structure}
    own = {
        "family": one.id,
        "child": one.town.named(one.child),
        "booking": booking,
        "request": request["id"],
        "payment": "no-payment-at-the-counter",
        "criterion": "resident",
    }
    return {**town_ids, **own, "account": "own", "agent": "own/own", "announcement": "no-announcement"}


async def signer(system: System) -> Signer:
    database = Database(system.databases["identity"])
    try:
        async with database.reading() as session:
            key = (await session.exec(select(Secret.value).where(Secret.name == "signing_key"))).one()
    finally:
        await database.close()
    return Signer(key)


@pytest.fixture(scope="module")
def built(system: System, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return asyncio.run(build(system, tmp_path_factory.mktemp("isolation")))


@pytest.fixture
async def scene(built: Scene) -> AsyncIterator[Scene]:
    """The same towns for all these tests: nothing that they do may change anything."""
    places = {name: f"http://127.0.0.1:{built.system.ports[name]}" for name in ("gateway", *SUBGRAPHS)}
    clients = {name: httpx2.AsyncClient(base_url=url, timeout=20) for name, url in places.items()}
    built.here.client = built.elsewhere.client = clients["gateway"]
    yield replace(built, clients=clients)
    for client in clients.values():
        await client.aclose()


# ------------------------------------------------------------------------------------------------------------ the attempts
@dataclass(frozen=True)
class Attempt:
    """One question of somebody about what is not theirs, and the same about what does not exist."""

    label: str
    where: str
    text: str
    foreign: dict[str, Any]
    unknown: dict[str, Any]

    def same(self, answer: str, ids: Ids) -> str:
        """The answer without the ids that were asked for, which it may repeat."""
        for kind, id_ in sorted(ids.items(), key=lambda item: -len(item[1])):
            answer = answer.replace(UNKNOWN[kind], f"<{kind}>").replace(id_, f"<{kind}>")
        return answer


def about_fields(where: str, found: list[Question], own: Ids, victim: Ids) -> Iterator[Attempt]:
    """Each id of each question foreign, the others one's own; then all of them foreign."""
    for question in found:
        places = [slot for slot in question.ids if victim[slot.about] != own[slot.about]]
        chosen = [(slot,) for slot in places] + ([tuple(places)] if len(places) > 1 else [])
        for slots in chosen:
            label = f"{question.name}({', '.join('.'.join(map(str, slot.path)) for slot in slots)})"
            yield Attempt(label, where, question.text, *(_asked(question, own, slots, ids) for ids in (victim, UNKNOWN)))


def _asked(question: Question, own: Ids, slots: tuple[Slot, ...], ids: Ids) -> dict[str, Any]:
    return question.asked(own, instead={slot: ids[slot.about] for slot in slots}, idempotencyKey=uuid4().hex)


def about_entities(found: list[Entity], own: Ids, victim: Ids, day: dt.date) -> Iterator[Attempt]:
    for entity in found:
        for label, foreign in representations(entity.type, own, victim, day):
            unknown = json.loads(as_unknown(json.dumps(foreign), victim, own))
            variables = entity.question.asked(own)
            asked = ({**variables, "representations": [{"__typename": entity.type, **one}]} for one in (foreign, unknown))
            yield Attempt(f"{entity.name}{label}", entity.service, entity.question.text, *asked)


def representations(type_: str, own: Ids, victim: Ids, day: dt.date) -> Iterator[tuple[str, dict[str, Any]]]:
    if type_ != "PreviewLine":
        kind = type_[0].lower() + type_[1:]
        if own[kind] != victim[kind]:
            yield "", {"id": victim[kind]}
        return
    line = {"change": "BOOK", "date": day.isoformat(), "arrival": "07:30", "departure": "08:45"}
    yield " child", {**line, "child": {"id": victim["child"]}, "activity": {"id": own["activity"]}}
    yield " both", {**line, "child": {"id": victim["child"]}, "activity": {"id": victim["activity"]}}
    if own["activity"] != victim["activity"]:
        yield " activity", {**line, "child": {"id": own["child"]}, "activity": {"id": victim["activity"]}}


def as_unknown(text: str, victim: Ids, own: Ids) -> str:
    for kind, id_ in victim.items():
        if id_ != own[kind]:
            text = text.replace(json.dumps(id_), json.dumps(UNKNOWN[kind]))
    return text


def everything(scene: Scene, own: Ids) -> list[Attempt]:
    """Through the gateway, and straight at each service."""
    victim, samples = scene.ids["victim"], scene.samples
    found = list(about_fields("gateway", questions.of(questions.public(), samples), own, victim))
    for service in SUBGRAPHS:
        found += about_fields(service, questions.of(questions.subgraph(service), samples), own, victim)
        found += about_entities(questions.entities(service, samples), own, victim, scene.day)
    return found


async def gauntlet(scene: Scene, own: Ids, token: str | None, *, foreign_town: bool) -> list[str]:
    """All of it. Returns the answers, each of which told nothing and was the same as for what does not exist."""
    turns, victim = asyncio.Semaphore(AT_ONCE), scene.ids["victim"]
    secrets = scene.secrets(foreign=foreign_town)

    async def one(attempt: Attempt) -> tuple[str, list[str]]:
        async with turns:
            foreign, unknown = await asyncio.gather(
                *(scene.ask(attempt.where, attempt.text, variables, token) for variables in (attempt.foreign, attempt.unknown))
            )
        hidden = [victim[kind] for kind in ("booking", "request") if victim[kind] not in json.dumps(attempt.foreign)]
        wrong = [f"{attempt.label} at {attempt.where} tells {secret}: {foreign}" for secret in (*secrets, *hidden) if secret in foreign]
        if attempt.same(foreign, victim) != attempt.same(unknown, victim):
            wrong.append(f"{attempt.label} at {attempt.where} tells what exists:\n    foreign {foreign}\n    unknown {unknown}")
        if "INTERNAL_SERVER_ERROR" in foreign + unknown:
            wrong.append(f"{attempt.label} at {attempt.where} stumbles: {foreign} {unknown}")
        return foreign, wrong

    answers = await asyncio.gather(*(one(attempt) for attempt in everything(scene, own)))
    wrong = [line for _, lines in answers for line in lines]
    assert not wrong, "\n".join(wrong)
    return [answer for answer, _ in answers]


def codes(answers: list[str]) -> Counter[str]:
    return Counter(error["extensions"]["code"] for answer in answers for error in json.loads(answer).get("errors", ()))


async def unharmed(scene: Scene) -> None:
    """The victim sees all of their own, as it was: which also proves that the canaries sing."""
    me = json.dumps(await scene.victim.ask(EVERYTHING, {"month": (dt.datetime.now(dt.UTC) - dt.timedelta(3)).strftime("%Y-%m")}))
    for secret in (*CANARIES, *scene.numbers, *TOWN_CANARIES):
        assert secret in me, f"{secret} is no canary"
    assert await scene.victim.bookings() == {scene.day.isoformat(): "ACCEPTED"}
    balance = await scene.victim.balance()
    assert (balance["balanceCents"], balance["estimatedCostCents"]) == (771341, PRICE)


EVERYTHING = """query($month: YearMonth!) { me { firstName lastName email families { structure { name announcements { title } }
  children { firstName lastName birthDate activities { name } } adults { firstName }
  balance { balanceCents estimatedCostCents lines { wallet { name } } } payments(month: $month) { payments { reference payer bank amountCents } }
  bookings { nodes { number priceCents } } } } }"""


# --------------------------------------------------------------------------------------------------------------- families
async def test_the_neighbour_sees_nothing_of_the_victim(scene: Scene) -> None:
    await unharmed(scene)
    answers = await gauntlet(scene, scene.ids["neighbour"], scene.neighbour.token, foreign_town=False)
    assert len(answers) >= 90
    assert set(codes(answers)) <= {"FORBIDDEN", "NOT_PRICED"}, codes(answers)
    await unharmed(scene)


async def test_a_family_of_another_town_sees_nothing_of_the_town(scene: Scene) -> None:
    answers = await gauntlet(scene, scene.ids["stranger"], scene.stranger.token, foreign_town=True)
    assert len(answers) >= 130
    assert set(codes(answers)) <= {"FORBIDDEN", "NOT_PRICED"}, codes(answers)
    await unharmed(scene)


async def test_the_agent_of_another_town_is_nobody_here(scene: Scene) -> None:
    answers = await gauntlet(scene, scene.ids["stranger"], scene.foreign_agent, foreign_town=True)
    assert len(answers) >= 130
    await unharmed(scene)


async def test_signed_out_there_is_nothing_to_see(scene: Scene) -> None:
    answers = await gauntlet(scene, scene.ids["stranger"], None, foreign_town=True)
    assert len(answers) >= 130
    assert set(codes(answers)) <= {"UNAUTHENTICATED"}, codes(answers)
    await unharmed(scene)


# ----------------------------------------------------------------------------------------------------------- forged tokens
def forgeries(scene: Scene) -> dict[str, str]:
    """The victim's own token, as others might make it, or keep it."""
    real = scene.victim.token
    header, payload, signature = real.split(".")
    claims = json.loads(_decode(payload))
    kid = json.loads(_decode(header))["kid"]
    neighbours = json.loads(_decode(scene.neighbour.token.split(".")[1]))
    stolen = {**neighbours, "families": claims["families"]}
    public = json.dumps(scene.signer.public_jwk).encode()
    past = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    nones = {f"alg {name}": f"{_encode({'alg': name, 'kid': kid})}.{payload}." for name in ("none", "None", "NONE", "")}
    return nones | {
        "alg none with the signature": f"{_encode({'alg': 'none'})}.{payload}.{signature}",
        "no signature": f"{header}.{payload}.",
        "somebody else's signature": f"{header}.{payload}.{scene.neighbour.token.split('.')[2]}",
        "altered families": f"{header}.{_encode(stolen)}.{signature}",
        "altered role": f"{header}.{_encode({**claims, 'agent_of': [scene.here.structure]})}.{signature}",
        "another key": Signer(new_key()).sign(_caller(claims), dt.datetime.now(dt.UTC)),
        "another key by our name": Signer(json.dumps({**json.loads(new_key()), "kid": kid})).sign(_caller(claims), dt.datetime.now(dt.UTC)),
        "our public key as a secret": jwt.encode({"alg": "HS256", "kid": kid}, claims, OctKey.import_key(public), algorithms=["HS256"]),
        "expired": scene.signer.sign(replace(_caller(claims), expires_at=past.timestamp()), past),
        "the key in the header": _own_key(claims),
        "the refresh token": scene.victim.refresh_token,
        "no token": "x",
        "empty parts": "..",
        "very long": "a" * 6000,
        "not base64": "!.!.!",
        "nested": json.dumps({"alg": "none"}),
    }


def _own_key(claims: dict[str, Any]) -> str:
    other = Signer(new_key())
    signed = jwt.encode({"alg": "Ed25519", "jwk": other.public_jwk}, claims, other._key, algorithms=["Ed25519"])
    return str(signed)


def _caller(claims: dict[str, Any]) -> Caller:
    expires_at = dt.datetime.now(dt.UTC).timestamp() + 600
    return Caller(claims["sub"], claims["sid"], claims["families"], frozenset(claims["agent_of"]), claims["lang"], expires_at)


def _decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _encode(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


async def test_forged_tokens_are_nobodys(scene: Scene) -> None:
    """Asked for what its real owner may see: every forgery gets what nobody gets, everywhere."""
    own, attempts = scene.ids["victim"], []
    samples = scene.samples
    for question in questions.of(questions.public(), samples):
        if question.ids or question.name == "Query.me":
            attempts.append(("gateway", question.text, question.asked(own, idempotencyKey=uuid4().hex)))
    for where, type_, kind, what in (
        ("identity", "Child", "child", "firstName"),
        ("identity", "Family", "family", "adults { lastName }"),
        ("billing", "Family", "family", "balance { balanceCents }"),
        ("booking", "Family", "family", "bookings { nodes { number } }"),
    ):
        text = f"query($of: [_Any!]!) {{ _entities(representations: $of) {{ ... on {type_} {{ {what} }} }} }}"
        attempts.append((where, text, {"of": [{"__typename": type_, "id": own[kind]}]}))
    turns, tried = asyncio.Semaphore(AT_ONCE), []

    async def one(how: str, token: str, where: str, text: str, variables: dict[str, Any]) -> None:
        async with turns:
            answer = await scene.ask(where, text, variables, token)
        assert answer == nobodys[where, text], f"{how}: {answer}"
        tried.append(how)

    nobodys = {(where, text): await scene.ask(where, text, variables, None) for where, text, variables in attempts}
    for answer in nobodys.values():
        assert not any(secret in answer for secret in scene.secrets(foreign=True))
    await asyncio.gather(*(one(how, token, *attempt) for how, token in forgeries(scene).items() for attempt in attempts))
    assert len(tried) >= 200
    genuine = [await scene.ask(*attempt, scene.victim.token) for attempt in attempts if attempt[0] != "gateway"]
    assert not any("UNAUTHENTICATED" in answer for answer in genuine)  # The real one would have opened.
    again = scene.signer.sign(_caller(json.loads(_decode(scene.victim.token.split(".")[1]))), dt.datetime.now(dt.UTC))
    assert "canari@" in await scene.ask("gateway", "{ me { email } }", {}, again)  # And so would what only our key can make.
    await unharmed(scene)


async def test_a_session_that_was_ended_shows_no_account(scene: Scene) -> None:
    leaving = await scene.here.sign_in("neighbour")
    assert (await leaving.ask("mutation { signOut }")) == {"signOut": True}

    async def gone() -> bool:
        return (await scene.here.post("{ me { login families { number } } }", token=leaving.token))["data"] == {"me": None}

    await until(gone)


# ------------------------------------------------------------------------------------------------------------------ agents
async def test_the_agent_sees_the_families_of_the_structure_and_acts_for_none(scene: Scene) -> None:
    own = scene.ids["victim"]

    async def entity(where: str, type_: str, kind: str, what: str) -> str:
        text = f"query($of: [_Any!]!) {{ _entities(representations: $of) {{ ... on {type_} {{ {what} }} }} }}"
        return await scene.ask(where, text, {"of": [{"__typename": type_, "id": own[kind]}]}, scene.agent)

    assert "Zephyrine" in await entity("identity", "Child", "child", "firstName")
    assert "KANARINSKI" in await entity("identity", "Family", "family", "adults { lastName }")
    assert "771341" in await entity("billing", "Family", "family", "balance { balanceCents }")
    assert scene.numbers[0] in await entity("booking", "Family", "family", "bookings { nodes { number } }")
    asked = await scene.here.post("query($id: ID!) { request(id: $id) { movements { booking { number priceCents child { firstName } } } } }",
                                  {"id": own["request"]}, token=scene.agent)  # fmt: skip
    (movement,) = asked["data"]["request"]["movements"]
    assert movement["booking"] == {"number": scene.numbers[0], "priceCents": PRICE, "child": {"firstName": "Zephyrine"}}
    me = (await scene.here.post("{ me { agentOf { id } families { id } } }", token=scene.agent))["data"]["me"]
    assert me == {"agentOf": [{"id": scene.here.structure}], "families": []}
    # Families ask and cancel for themselves.
    order = {"family": own["family"], "idempotencyKey": "agent", "lines": [scene.victim.line(scene.day, change="CANCEL")]}
    assert (await scene.here.post(town.SUBMIT, {"input": order}, token=scene.agent))["data"]["submitBookings"]["code"] == "UNKNOWN_FAMILY"
    cancel = "mutation($id: ID!) { cancelBooking(booking: $id) { ... on Refusal { code } } }"
    assert (await scene.here.post(cancel, {"id": own["booking"]}, token=scene.agent))["data"]["cancelBooking"]["code"] == "UNKNOWN_BOOKING"
    await unharmed(scene)


async def test_the_agent_sees_nothing_of_another_town(scene: Scene) -> None:
    """The canaries' own agent, of whom the other town is just as far."""
    own, theirs = scene.ids["neighbour"], scene.ids["stranger"]
    turned = replace(scene, ids={**scene.ids, "victim": theirs}, numbers=())
    answers = await gauntlet(turned, own, scene.agent, foreign_town=False)
    assert len(answers) >= 130
    for answer in answers:
        assert "COMMUNE" not in answer


async def test_the_control_the_same_questions_by_the_towns_own_agent_tell_a_lot(scene: Scene) -> None:
    with pytest.raises(AssertionError) as noticed:
        await gauntlet(scene, scene.ids["neighbour"], scene.agent, foreign_town=False)
    found = str(noticed.value)
    assert all(f" tells {secret}" in found for secret in ("Zephyrine", "KANARINSKI", "771341", str(PRICE), scene.numbers[0]))
    await unharmed(scene)
