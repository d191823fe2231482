"""Nothing of a family is visible to another: every question the contract allows, asked by whom it does not concern.

Whatever is somebody else's must answer exactly as what does not exist: an answer that differs would tell that it does.
"""

import asyncio
import base64
import contextlib
import datetime as dt
import hashlib
import json
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
import yaml
from graphql import get_named_type
from joserfc import jwt
from joserfc.jwk import OctKey
from sqlmodel import select

from gateway.client import Subgraph, SubgraphUnavailable
from gateway.limits import AUTHENTICATION
from services.claims import Caller
from services.database import Database
from services.identity.tables import Secret, Viewing
from services.identity.tokens import Signer, new_key
from tests.conftest import SEED
from tests.facts import until
from tests.flows import questions, town
from tests.flows.questions import SUBGRAPHS, Entity, Ids, Question, Slot
from tests.flows.system import System
from tests.flows.town import Family, Town, activity, family, next_days

AT_ONCE = 12
FOLLOWED_SECONDS = 5  #: A subscription that is refused ends at once.
LEAST_ATTEMPTS = 20_000
GAUNTLETS = 11
ATTEMPTS = 1_850  #: Of each at least, of questions chosen anew each time from up to 3,700: a little more than what makes as many.
ENTITIES_TOGETHER = 25
QUESTIONS_OF_FORGERIES = 30  #: Of some 130, each forgery puts so many to the gateway.
FEW_ERRORS = 20  #: With as many an answer may leave some out (services/graphql.py).
OPERATORS = frozenset(
    {"setRole", "changeStructure", "resetFactors", "inviteColleague"}
)  #: Operators name administrators, and look after towns.
UNKNOWN = {kind: f"nobody-{kind}" for kind in (*questions.NAMES.values(), *questions.BY_ID, "agent")}
#: What only the victim's own family may ever read. Odd enough to be found wherever they come up.
CANARIES = ("Zephyrine", "KANARINSKI", "2011-11-17", "CHQ-CANARI", "PAYEUR CANARI", "BANQUE CANARI", "771341", "31379", "canari@")
#: And this whoever is not of the town.
TOWN_CANARIES = ("ACTIVITE CANARI", "PORTE-MONNAIE CANARI", "ANNONCE CANARI", "MAIRIE CANARI")
PRICE = 31379


@dataclass
class Scene:
    left: Family  #: The victim, signed out.
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
    tally: list[int] = field(default_factory=list)  #: Attempts of each gauntlet that was run.
    doors: dict[str, Subgraph] = field(default_factory=dict)  #: Of the gateway, too: the leanest client that we have.

    def secrets(self, *, foreign: bool) -> tuple[str, ...]:
        return (*CANARIES, *self.numbers, *(TOWN_CANARIES if foreign else ()))

    async def ask(self, where: str, text: str, variables: dict[str, Any], token: str | None) -> str:
        """The raw answer of the gateway, or of a subgraph; of a subscription, all that it sends until it ends, which it does if refused."""
        lines = ["Content-Type: application/json", *([f"Authorization: Bearer {token}"] if token else ())]
        follows = text.startswith("subscription")
        lines += ["Accept: text/event-stream"] if follows else []
        body = json.dumps({"query": text, "variables": variables}).encode()
        head = "".join(f"{line}\r\n" for line in lines).encode()
        try:
            response = await self.doors[where].pass_on("/graphql", body, head, seconds=FOLLOWED_SECONDS if follows else 20)
        except SubgraphUnavailable:
            if not follows:
                raise
            return "it is followed"
        answer = response.body.decode()
        assert response.status == 200, answer
        return answer.removeprefix("event: next\ndata: ").partition("\n\n")[0] if follows else answer

    async def ask_all(self, where: str, text: str, asked: list[dict[str, Any]], token: str | None) -> list[str]:
        """One question with all these variables: by itself, or for many entities at once, as the gateway does, if the first got any answer.

        What may have lost its answer to a neighbour's error is asked again by itself: each is really answered.
        """
        answers = [await self.ask(where, text, asked[0], token)]
        at_once = ENTITIES_TOGETHER if "representations" in asked[0] and _has_data(answers[0]) else 1
        for start in range(1, len(asked), at_once):
            part = asked[start : start + at_once]
            found = await self._ask_together(where, text, part, token) if len(part) > 1 else None
            answers += found or [await self.ask(where, text, one, token) for one in part]
        return [_evenly(answer) for answer in answers]

    async def _ask_together(self, where: str, text: str, asked: list[dict[str, Any]], token: str | None) -> list[str] | None:
        """None: one's error may have cost another's answer."""
        several = {**asked[0], "representations": [entity for one in asked for entity in one["representations"]]}
        assert all({**one, "representations": several["representations"]} == several for one in asked), "they differ in more than that"
        return parted(await self.ask(where, text, several, token), len(asked))


def parted(answer: str, count: int) -> list[str] | None:
    """Each entity's own answer; None: it cannot be told."""
    told = json.loads(answer)
    errors = told.get("errors", ())
    if told.get("data") is None or len(errors) >= FEW_ERRORS or not all(len(error.get("path") or ()) > 1 for error in errors):
        return None
    entities = told["data"]["_entities"]
    assert len(entities) == count, answer
    found: list[dict[str, Any]] = [{"data": {"_entities": [one]}} for one in entities]
    for error in errors:
        root, number, *below = error["path"]
        found[number].setdefault("errors", []).append({**error, "path": [root, 0, *below]})
    return [json.dumps(one) for one in found]


def _has_data(answer: str) -> bool:
    return json.loads(answer).get("data") is not None


def _evenly(answer: str) -> str:
    """Written as any other."""
    return json.dumps(json.loads(answer), ensure_ascii=False, sort_keys=True) if answer.startswith("{") else answer


def samples_of(day: dt.date) -> dict[str, Any]:
    # No amount and no reason: the town's own agent, who may ask all of it, shall move no money either.
    plain = {
        "String": "mot",
        "Int": 100,
        "year": town.today().year,
        "amountCents": 0,
        "reason": "no",
        "idempotencyKey": "canari",
        "email": "x@example.org",
        "Boolean": False,
        "first": 5,
        "after": None,
        "kind": None,
    }
    return {"Date": day.isoformat(), "YearMonth": day.isoformat()[:7], "LocalTime": "08:00", **plain}


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
    lots = {"scheduled_at": town.half_a_day_away(), "policy": "lottery"}
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
        ids["victim"]["invitation"] = await invited(victim, tokens[0])
        await victim.costs(PRICE)
        month = f"{town.today() - dt.timedelta(3):%Y-%m}"
        paid = await victim.ask(
            "query($month: YearMonth!) { me { families { payments(month: $month) { payments { id } } } } }", {"month": month}
        )
        ids["victim"]["payment"] = paid["me"]["families"][0]["payments"]["payments"][0]["id"]
        left = await signed_out(victim)
        seen = (await victim.ask("{ me { id families { requests { nodes { movements { booking { number } } } } } } }"))["me"]
        home = (await victim.ask("{ me { families { structure { announcements { id } } } } }"))["me"]["families"][0]["structure"]
        ids["victim"]["announcement"] = ids["neighbour"]["announcement"] = home["announcements"][0]["id"]
    (movement,) = seen["families"][0]["requests"]["nodes"][0]["movements"]
    ids["victim"] |= {"account": seen["id"], "agent": f"{here.structure}/{seen['id']}"}
    numbers = (movement["booking"]["number"],)
    return Scene(left, system, here, elsewhere, victim, neighbour, stranger, *tokens, await signer(system), day, ids, numbers)


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


async def invited(one: Family, agent: str) -> str:
    """Somebody else is to be asked to join the family: at an address that may be read by nobody but the town's agents."""
    query = "mutation($input: InviteAdultInput!) { inviteAdult(input: $input) { ... on Invitation { id } } }"
    wanted = {"family": one.id, "email": "canari@elsewhere.example.org", "idempotencyKey": "isolation"}
    answer = await one.town.post(query, {"input": wanted}, token=agent)
    invitation: str = answer["data"]["inviteAdult"]["id"]
    return invitation


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
        "mail": hashlib.sha256(f"report:{request['id']}".encode()).hexdigest()[:32],
        "deadLetter": f"dead-letter-of-{one.id}",
    }
    return {**town_ids, **own, "account": "own", "agent": "own/own", "announcement": "no-announcement", "invitation": "no-invitation"}


async def signer(system: System) -> Signer:
    database = Database(system.databases["identity"])
    try:
        async with database.reading() as session:
            key = (await session.exec(select(Secret.value).where(Secret.name == "signing_key"))).one()
    finally:
        await database.close()
    return Signer(key)


async def signed_out(victim: Family) -> Family:
    leaving = await victim.town.sign_in("victim")
    assert (await leaving.ask("mutation { signOut }")) == {"signOut": True}
    return leaving


@pytest.fixture(scope="module")
def built(system: System, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return asyncio.run(build(system, tmp_path_factory.mktemp("isolation")))


@pytest.fixture
async def scene(built: Scene) -> AsyncIterator[Scene]:
    """The same towns for all these tests: nothing that they do may change anything."""
    places = {name: f"http://127.0.0.1:{built.system.ports[name]}" for name in ("gateway", *SUBGRAPHS)}
    doors = {name: Subgraph(url) for name, url in places.items()}
    async with httpx2.AsyncClient(base_url=places["gateway"], timeout=60) as client:
        built.here.client = built.elsewhere.client = client
        yield replace(built, doors=doors)
    for door in doors.values():
        door.close()


# ------------------------------------------------------------------------------------------------------------ the attempts
@dataclass(frozen=True)
class Attempt:
    """One question of somebody about what is not theirs, and the same about what does not exist."""

    label: str
    where: str
    text: str
    asked: dict[str, Any]
    unknown: dict[str, Any] | None  #: None: there is nothing to compare with, but no secret must be told.
    said: tuple[str, ...] = ()  #: What the answer may repeat, of what was asked.

    def same(self, answer: str, ids: Ids) -> str:
        """The answer without the ids that were asked for, which it may repeat; and how long to wait after too many tries."""
        for text in self.said:
            answer = answer.replace(json.dumps(text)[1:-1], "<id>") if text else answer
        for kind, id_ in sorted(ids.items(), key=lambda item: -len(item[1])):
            answer = answer.replace(UNKNOWN[kind], "<id>").replace(id_, "<id>")
        return re.sub(r"[0-9]+ (s|min|h)\b", "<time>", re.sub(r"\s*<id>x?\s*", "<id>", answer))


def variants(kind: str, victim: Ids) -> Iterator[tuple[str, str]]:
    """Ids that are not, or not quite, one's own, of whatever kind is wanted."""
    real = victim[kind]
    yield "foreign", real
    yield "another kind's", victim["child" if kind != "child" else "family"]
    yield "the beginning of", real[:-1]
    yield "more than", f"{real}x"
    yield "in capitals", real.upper()
    yield "padded", f" {real} "
    yield "nothing", ""


def about_fields(where: str, found: list[Question], own: Ids, victim: Ids) -> Iterator[Attempt]:
    """Each id of each question foreign in every way, the others one's own; then all of them foreign."""
    for question in found:
        places = [slot for slot in question.ids if victim[slot.about] != own[slot.about]]
        for slot in places:
            label = f"{question.name}({'.'.join(map(str, slot.path))})"
            unknown = _asked(question, own, (slot,), UNKNOWN)
            for how, id_ in variants(slot.about, victim):
                if how == "foreign" or question.name.split(".")[1] not in AUTHENTICATION:  # Few tries at a secret are borne.
                    yield Attempt(
                        f"{label}, {how}", where, question.text, _with(question, own, slot, id_), unknown if id_ else None, (id_,)
                    )
            if isinstance(slot.path[-1], int):
                among = [_among(question, own, slot, ids) for ids in (victim, UNKNOWN)]
                yield Attempt(f"{label}, among one's own", where, question.text, *among)
        if len(places) > 1:
            slots = tuple(places)
            yield Attempt(f"{question.name}(all)", where, question.text, *(_asked(question, own, slots, ids) for ids in (victim, UNKNOWN)))


def _asked(question: Question, own: Ids, slots: tuple[Slot, ...], ids: Ids) -> dict[str, Any]:
    return question.asked(own, instead={slot: ids[slot.about] for slot in slots}, idempotencyKey=uuid4().hex)


def _with(question: Question, own: Ids, slot: Slot, id_: str) -> dict[str, Any]:
    return question.asked(own, instead={slot: id_}, idempotencyKey=uuid4().hex)


def _among(question: Question, own: Ids, slot: Slot, ids: Ids) -> dict[str, Any]:
    variables = question.asked(own, idempotencyKey=uuid4().hex)
    questions.put(variables, slot.path[:-1], [own[slot.about], ids[slot.about]])
    return variables


def plainly(where: str, found: list[Question], *, mutations: bool) -> Iterator[Attempt]:
    """What names nobody: it tells of the asker alone. Only who is signed out may ask for changes of it, to whom it does nothing."""
    for question in found:
        if not question.ids and (mutations or not question.mutates):
            yield Attempt(question.name, where, question.text, question.asked({}, idempotencyKey=uuid4().hex), None)


def about_entities(found: list[Entity], own: Ids, victim: Ids, day: dt.date) -> Iterator[Attempt]:
    for entity in found:
        for label, foreign in representations(entity.type, own, victim, day):
            unknown = json.loads(as_unknown(json.dumps(foreign), victim, own))
            variables = entity.question.asked(own)
            asked = ({**variables, "representations": [{"__typename": entity.type, **one}]} for one in (foreign, unknown))
            yield Attempt(f"{entity.name}{label}", entity.service, entity.question.text, *asked)
            if set(foreign) != {"id"}:
                continue
            kind = entity.type[0].lower() + entity.type[1:]
            compared = {**variables, "representations": [{"__typename": entity.type, **unknown}]}
            for how, id_ in list(variants(kind, victim))[1:]:
                odd = {**variables, "representations": [{"__typename": entity.type, "id": id_}]}
                yield Attempt(f"{entity.name}, {how}", entity.service, entity.question.text, odd, compared if id_ else None, (id_,))


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


def everything(scene: Scene, own: Ids, *, signed_out: bool = False) -> list[Attempt]:
    """Through the gateway, and straight at each service."""
    victim = scene.ids["victim"]
    found = list(plainly("gateway", asked_of_the_gateway(scene.day), mutations=signed_out))
    found += about_fields("gateway", asked_of_the_gateway(scene.day), own, victim)
    for service in SUBGRAPHS:
        fields, entities = asked_of(service, scene.day)
        found += about_fields(service, fields, own, victim)
        found += about_entities(entities, own, victim, scene.day)
    return found


@cache
def asked_of(service: str, day: dt.date) -> tuple[list[Question], list[Entity]]:
    samples = samples_of(day)
    return questions.of(questions.subgraph(service), samples), questions.entities(service, samples)


@cache
def asked_of_the_gateway(day: dt.date) -> list[Question]:
    """With what must be said; where that is not all, with all that can be said too; and what can be followed."""
    schema, samples = questions.public(), samples_of(day)
    plain = questions.of(schema, samples)
    known = [(question.text, question.variables) for question in plain]
    whole = [one for one in questions.of(schema, samples, whole=True) if (one.text, one.variables) not in known]
    return plain + whole + questions.subscriptions(schema, samples)


async def gauntlet(
    scene: Scene, own: Ids, token: str | None, *, foreign_town: bool, theirs: frozenset[str] = frozenset(), whole: bool = False
) -> list[str]:
    """All of it. Returns the answers, each of which told nothing and was the same as for what does not exist.

    `theirs`: what the asker may do in any town, and so see that there is one; of families it tells no more than the rest.
    """
    victim, secrets = scene.ids["victim"], scene.secrets(foreign=foreign_town)
    found = by_question(everything(scene, own, signed_out=token is None))
    if not whole:  # Chosen anew each time.
        seed = random.randrange(2**32)
        print(f"seed {seed}")
        found = some(random.Random(seed), found)
    told = await answered(scene, found, token)

    def wrong_with(attempt: Attempt) -> list[str]:
        answer = told[id(attempt.asked)]
        hidden = [victim[kind] for kind in ("booking", "request") if victim[kind] not in json.dumps(attempt.asked)]
        hidden += [
            secret for secret in secrets if attempt.unknown is not None or secret != str(PRICE)
        ]  # Of one's own: the price is the same.
        wrong = [f"{attempt.label} at {attempt.where} tells {secret}: {answer}" for secret in hidden if secret in answer]
        unknown = told[id(attempt.unknown)] if attempt.unknown is not None else answer
        may_differ = re.split(r"[.(]", attempt.label)[1] in theirs
        if not may_differ and attempt.same(answer, victim) != attempt.same(unknown, victim):
            wrong.append(f"{attempt.label} at {attempt.where} tells what exists:\n    asked {answer}\n    unknown {unknown}")
        if "INTERNAL_SERVER_ERROR" in answer + unknown:
            wrong.append(f"{attempt.label} at {attempt.where} stumbles: {answer} {unknown}")
        return wrong

    attempts = [attempt for group in found for attempt in group]
    wrong = [line for attempt in attempts for line in wrong_with(attempt)]
    assert not wrong, f"{len(wrong)} wrong\n" + "\n".join(wrong)
    scene.tally.append(len(attempts))
    return [told[id(attempt.asked)] for attempt in attempts]


def by_question(attempts: list[Attempt]) -> list[list[Attempt]]:
    """Those that ask the same of the same with other variables."""
    found: dict[tuple[str, str], list[Attempt]] = {}
    for attempt in attempts:
        found.setdefault((attempt.where, attempt.text), []).append(attempt)
    return list(found.values())


def some(chance: random.Random, found: list[list[Attempt]]) -> list[list[Attempt]]:
    chosen: list[list[Attempt]] = []
    for group in chance.sample(found, len(found)):
        if sum(map(len, chosen)) >= ATTEMPTS:
            break
        chosen.append(group)
    return chosen


async def answered(scene: Scene, found: list[list[Attempt]], token: str | None) -> dict[int, str]:
    """Each attempt's answer, and the one that it is compared with, by the variables' identity: each of these is asked once."""
    turns, told = asyncio.Semaphore(AT_ONCE), dict[int, str]()

    async def ask(group: list[Attempt]) -> None:
        first = group[0]
        each = {id(one): one for attempt in group for one in (attempt.asked, attempt.unknown) if one is not None}
        async with turns:
            answers = await scene.ask_all(first.where, first.text, list(each.values()), token)
        told.update(zip(each, answers, strict=True))

    await asyncio.gather(*(ask(group) for group in found))
    return told


def codes(answers: list[str]) -> Counter[str]:
    return Counter(error["extensions"]["code"] for answer in answers for error in json.loads(answer).get("errors", ()))


async def unharmed(scene: Scene) -> None:
    """The victim sees all of their own, as it was: which also proves that the canaries sing."""
    me = json.dumps(await scene.victim.ask(EVERYTHING, {"month": f"{town.today() - dt.timedelta(3):%Y-%m}"}))
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


@pytest.mark.parametrize("who", ["signed out", "run out", "forged"])
async def test_the_victims_own_token_that_is_good_no_more_opens_nothing(scene: Scene, who: str) -> None:
    real, now = _caller(json.loads(_decode(scene.victim.token.split(".")[1]))), dt.datetime.now(dt.UTC)
    past = now - dt.timedelta(hours=1)
    token = {
        "signed out": scene.left.token,
        "run out": scene.signer.sign(replace(real, expires_at=past.timestamp()), past),
        "forged": Signer(new_key()).sign(real, now),
    }[who]
    answers = await gauntlet(scene, scene.ids["stranger"], token, foreign_town=True)
    assert set(codes(answers)) <= {"UNAUTHENTICATED"}, codes(answers)
    await unharmed(scene)


@pytest.mark.parametrize("who", ["a parent no more", "an agent without rank", "the operator"])
async def test_whoever_is_signed_in_for_nobody_sees_nobody(scene: Scene, who: str) -> None:
    """With what our own key says of them: a parent whom the town took off the family, an agent who lacks a second factor."""
    token = {"a parent no more": scene.victim.token, "an agent without rank": scene.agent, "the operator": scene.foreign_agent}[who]
    caller = replace(_caller(json.loads(_decode(token.split(".")[1]))), families={}, agent_of=frozenset(), operator=who == "the operator")
    # The victim's account itself would show its own name: somebody else's, then, that has nothing.
    caller = replace(caller, account="nobody-anywhere", session="nobody-anywhere")
    theirs = OPERATORS if who == "the operator" else frozenset[str]()
    signed = scene.signer.sign(caller, dt.datetime.now(dt.UTC))
    answers = await gauntlet(scene, scene.ids["stranger"], signed, foreign_town=True, theirs=theirs)
    assert set(codes(answers)) <= {"FORBIDDEN", "UNAUTHENTICATED", "NOT_PRICED"}, codes(answers)
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
    """Asked for what its real owner may see: every forgery gets what nobody gets, at each service and of questions chosen anew each time."""
    own, attempts = scene.ids["victim"], []
    for question in questions.of(questions.public(), samples_of(scene.day)):
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
        assert answer == nobodys[where, text], f"{how}, {where}, {text}: {answer} (PREAU_SEED={SEED})"
        tried.append(how)

    nobodys = {(where, text): await scene.ask(where, text, variables, None) for where, text, variables in attempts}
    for answer in nobodys.values():
        assert not any(secret in answer for secret in scene.secrets(foreign=True))
    direct = [attempt for attempt in attempts if attempt[0] != "gateway"]
    passed_on = [attempt for attempt in attempts if attempt[0] == "gateway"]
    chosen = {how: [*direct, *random.Random(f"{SEED} {how}").sample(passed_on, QUESTIONS_OF_FORGERIES)] for how in forgeries(scene)}
    await asyncio.gather(*(one(how, token, *attempt) for how, token in forgeries(scene).items() for attempt in chosen[how]))
    assert len(tried) >= 200
    genuine = [await scene.ask(*attempt, scene.victim.token) for attempt in direct]
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
        await gauntlet(scene, scene.ids["neighbour"], scene.agent, foreign_town=False, whole=True)
    found = str(noticed.value)
    assert all(f" tells {secret}" in found for secret in ("Zephyrine", "KANARINSKI", "771341", str(PRICE), scene.numbers[0]))
    await unharmed(scene)


# ---------------------------------------------------------------------------------------------------------- the access log
#: What tells agents of a family without a line in the log: because.
NOT_LOGGED = {
    "identity Agent.firstName": "accounts of a family are known by their ids to whoever saw the family, which is noted",
    "identity Agent.lastName": "as the first name",
    "billing Booking.status": "it says what was asked, or nothing",
}
KEY_OF_A_LINE = ("change", "child", "activity", "date", "arrival", "departure")
KEYS = {
    "identity": ("Child", "Family"),
    "billing": ("Booking", "Child", "Family", "OnlinePayment"),
    "booking": ("Booking", "Child", "Family", "Request"),
    "mailer": ("Family",),
}
#: What could tell agents of families, and tells nothing here but what was asked: because, or where it is seen to be logged.
TELLS_NOTHING_HERE = {
    "identity Query.me": "the agent's own account",
    "identity Query.erasures": "tests/identity/test_viewing.py",
    "identity Query.identityActs": "tests/identity/test_viewing.py",
    "identity Family.dataExports": "loaded as the family is",
    "billing Query.debtors": "tests/billing/test_viewing.py",
    "billing Query.deposits": "tests/billing/test_viewing.py",
    "billing Query.moneyActs": "tests/billing/test_viewing.py",
    "billing Query.undepositedPayments": "tests/billing/test_viewing.py",
    "billing Family.balanceAlertCents": "tests/billing/test_viewing.py",
    "billing OnlinePayment.receipt": "loaded as its status is",
    "billing OnlinePayment.reference": "loaded as its status is",
    "booking Query.acts": "tests/booking/test_viewing.py",
    "booking Query.familiesToErase": "tests/personal/test_in_time.py",
    "booking Query.previewBookings": "families alone: a draft that an agent sends is refused",
    "booking Booking.decision": "loaded as its status is",
    "booking Booking.rank": "loaded as its status is",
    "booking Booking.reason": "loaded as its status is",
    "booking Request.reason": "loaded as its number is",
    "booking Child.calendarFeed": "tests/booking/test_viewing.py",
    "booking Child.firstName": "external: identity tells it",
    "booking Family.children": "external: identity tells it",
    "booking Family.criteria": "tests/booking/test_viewing.py",
    **{f"booking PreviewLine.{name}": "nothing is found by it" for name in ("forecast", "rank", "refusal")},
    **{f"{service} PreviewLine.{name}": "its key" for service in ("billing", "booking") for name in KEY_OF_A_LINE},
    "mailer Query.mails": "tests/mailer/test_desk.py",
    "mailer Query.mailActs": "tests/mailer/test_desk.py",
    **{f"{service} {name}.id": "its key" for service, names in KEYS.items() for name in names},
}
OWN = ("family", "child", "booking", "request", "onlinePayment")
ABOUT_FAMILIES = frozenset({"Family", "Child", "Booking", "Request", "OnlinePayment", "PreviewLine"})


def leaves(answer: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """What an answer tells, each with the name of its field."""
    if isinstance(answer, dict):
        for key, one in answer.items():
            yield from leaves(one, key)
    elif isinstance(answer, list):
        for one in answer:
            yield from leaves(one, name)
    elif answer not in (None, "") and name != "__typename":
        yield name, answer


def named(answer: Any) -> Iterator[str]:
    """The families and children of which an answer tells."""
    if isinstance(answer, dict):
        if answer.get("__typename") in ("Family", "Child") and "id" in answer:
            yield answer["id"]
        answer = list(answer.values())
    if isinstance(answer, list):
        for one in answer:
            yield from named(one)


def asked_by_agents(scene: Scene) -> Iterator[Attempt]:
    """Of what they change the audit trail tells."""
    own, samples = scene.ids["victim"], samples_of(scene.day)
    for service in SUBGRAPHS:
        for question in questions.of(questions.subgraph(service), samples, whole=True):
            if not question.mutates:
                yield Attempt(f"{service} {question.name}", service, question.text, question.asked(own, search=None), None)
        for entity in questions.entities(service, samples):
            for _, key in representations(entity.type, UNKNOWN, own, scene.day):
                if "child" not in key or key["child"]["id"] == own["child"]:
                    variables = entity.question.asked(own) | {"representations": [{"__typename": entity.type, **key}]}
                    yield Attempt(entity.name, service, entity.question.text, variables, None)


def could_tell_of_families(service: str) -> Iterator[str]:
    """Labels of the fields at the root, and of entities, that lead to a family or a child, or are about one."""
    schema = questions.subgraph(service)
    for type_ in (schema.query_type, *(entity for entity in schema.type_map.values() if entity.name in ABOUT_FAMILIES)):
        for name, each in getattr(type_, "fields", {}).items():
            if not name.startswith("_") and (type_.name in ABOUT_FAMILIES or leads_to_families(get_named_type(each.type), set())):
                yield f"{service} {type_.name}.{name}"


def leads_to_families(type_: Any, passed: set[str]) -> bool:
    if type_.name in passed:
        return False
    passed.add(type_.name)
    below = getattr(type_, "types", None) or [get_named_type(each.type) for each in getattr(type_, "fields", {}).values()]
    return type_.name in ABOUT_FAMILIES or any(leads_to_families(one, passed) for one in below)


def seen_in(answer: str, attempt: Attempt, scene: Scene) -> set[str]:
    """The ids of the children and families that it tells anything of, but what was asked."""
    told, own = json.loads(answer).get("data") or {}, scene.ids["victim"]
    asked = {value for _, value in leaves(attempt.asked)}
    news = [value for _, value in leaves(told) if value not in asked]
    about = attempt.label.split()[1].split(".")[0] in ABOUT_FAMILIES and news
    about = about or (asked.intersection(own[kind] for kind in OWN) and any(not isinstance(one, bool) for one in news))
    if about or any(secret in answer for secret in (*CANARIES, *scene.numbers)):
        return {own["family"], *(id_ for id_ in named(told) if news)}
    return set(named(told)) if news else set()


async def viewed(scene: Scene) -> dict[str, set[str]]:
    """Account -> the families and children that it saw, as identity has it."""
    database, found = Database(scene.system.databases["identity"]), dict[str, set[str]]()
    try:
        async with database.reading() as session:
            for row in (await session.exec(select(Viewing))).all():
                found.setdefault(row.account, set()).update((row.family, row.child))
    finally:
        await database.close()
    return found


async def test_all_that_the_towns_own_agent_sees_of_families_is_in_the_access_log(scene: Scene) -> None:
    """Each question of each subgraph, by an agent of its own: no look hides behind another. What is added later is asked, too."""
    claims = _caller(json.loads(_decode(scene.agent.split(".")[1])))
    claims = replace(claims, admin_of=claims.agent_of)
    wanted: dict[str, tuple[str, set[str]]] = {}
    turns = asyncio.Semaphore(AT_ONCE)

    async def look(account: str, attempt: Attempt) -> None:
        token = scene.signer.sign(replace(claims, account=account, session=account), dt.datetime.now(dt.UTC))
        async with turns:
            answer = await scene.ask(attempt.where, attempt.text, attempt.asked, token)
        assert "INTERNAL_SERVER_ERROR" not in answer, f"{attempt.label}: {answer}"
        if seen := seen_in(answer, attempt, scene):
            wanted[account] = attempt.label, seen

    await asyncio.gather(*(look(f"watcher-{number}", attempt) for number, attempt in enumerate(asked_by_agents(scene))))
    told = {label for label, _ in wanted.values()}
    assert told >= NOT_LOGGED.keys(), "no reason is given for what needs none"
    silent = {label for service in SUBGRAPHS for label in could_tell_of_families(service)} - told
    assert silent == TELLS_NOTHING_HERE.keys()

    async def missing() -> list[str]:
        found = await viewed(scene)
        left = {label: seen - found.get(account, set()) for account, (label, seen) in wanted.items() if label not in NOT_LOGGED}
        return [f"{label} showed {names}" for label, names in left.items() if names]

    async def all_there() -> bool:
        return not await missing()

    with contextlib.suppress(AssertionError):  # The next line says what is missing.
        await until(all_there)
    assert await missing() == []


# ----------------------------------------------------------------------------------------------------------- what was asked
def test_every_coordinate_of_the_public_schema_is_asked(built: Scene) -> None:
    """Every field, argument and input field: one that nobody asks for would be added here unseen."""
    schema = questions.public()
    asked = set[str]().union(*(questions.covered(schema, question) for question in asked_of_the_gateway(built.day)))
    wanted = questions.coordinates(schema)
    assert len(wanted) > 1_000
    assert wanted - asked == set()


def test_it_was_tried_twenty_thousand_times(built: Scene) -> None:
    if len(built.tally) < GAUNTLETS:
        pytest.skip("not all of the walks were asked for, or one of them failed")
    print(f"{sum(built.tally)} attempts: {built.tally}")
    assert sum(built.tally) >= LEAST_ATTEMPTS
