"""Carries a plan out: asks the subgraphs, as many at once as the plan allows, merges their answers and cuts the client's out of them.

A subgraph that is down or slow costs the fields it would have brought, never the rest: they are null, or what holds them is, and an
error says which service and which path. No subgraph is waited for longer than its time.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple, Protocol

import msgspec
from graphql import GraphQLSchema, execute_sync

from gateway import complaints
from gateway.client import SubgraphUnavailable
from gateway.complaints import Error
from gateway.drafts import Bearer, Spot
from gateway.merging import CONFUSED, UNKNOWN, Batch, Object, describe, find, merge, positions, slots_at, spread
from gateway.outline import Explained, Lack, Path, nearest, places
from gateway.plan import Fetch, Plan, introspected
from gateway.waiting import USUAL, Patience
from services.refusal import Language

#: Errors that one request to a subgraph may add; a month of days that failed alike is told once, not 31 times.
MOST_ERRORS = 10


class Fetcher(Protocol):
    async def __call__(self, service: str, body: bytes, headers: bytes, *, seconds: float, again: bool) -> bytes:
        """Raises SubgraphUnavailable."""


class Watcher(Protocol):
    """Told of every request to a subgraph that went wrong."""

    def __call__(self, service: str, trouble: Exception) -> None: ...


class Answer(NamedTuple):
    data: Object | None
    errors: list[Error]


class _Error(msgspec.Struct):
    """As a subgraph tells it."""

    message: str = ""
    path: list[str | int] | None = None
    extensions: dict[str, Any] | None = None


class _Entities(msgspec.Struct):
    _entities: list[Object | None] | None = None


class _Root(msgspec.Struct):
    data: Object | msgspec.UnsetType | None = msgspec.UNSET
    errors: list[_Error] | None = None


class _Joined(msgspec.Struct):
    data: _Entities | msgspec.UnsetType | None = msgspec.UNSET
    errors: list[_Error] | None = None


class _UnreadEntities(msgspec.Struct):
    _entities: list[dict[str, msgspec.Raw] | None]


class _UnreadRoot(msgspec.Struct):
    data: dict[str, msgspec.Raw] | None
    errors: msgspec.Raw | None = None


class _UnreadJoined(msgspec.Struct):
    data: _UnreadEntities | None
    errors: msgspec.Raw | None = None


_decode_root = msgspec.json.Decoder(_Root).decode
_decode_joined = msgspec.json.Decoder(_Joined).decode
_decode_unread_root = msgspec.json.Decoder(_UnreadRoot).decode
_decode_unread_joined = msgspec.json.Decoder(_UnreadJoined).decode
NULL = msgspec.Raw(b"null")


def _ignore(service: str, trouble: Exception) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True)
class Engine:
    api: GraphQLSchema
    fetcher: Fetcher
    watcher: Watcher = _ignore
    patience: Patience = USUAL
    masks: bool = False  #: Errors, as in production.

    async def run(self, plan: Plan, variables: Mapping[str, Any], headers: bytes = b"", language: Language = "en") -> Answer:
        """`variables`: as the client sent them, known to be right. `headers`: complete lines, for the subgraphs. `language`: of errors."""
        execution = Execution(self, plan, variables, headers, language, [fetch.needs for fetch in plan.fetches], time.monotonic())
        await execution.start()
        if plan.introspection is not None:
            execution.introspect()
        if plan.denied:
            execution.deny()
        lacks: list[Lack] = []
        data = plan.project(execution.data, lacks)
        if lacks or execution.confused:
            execution.tell(lacks)
        return Answer(data, execution.errors)


@dataclass(slots=True)
class Execution:
    """One plan being carried out."""

    engine: Engine
    plan: Plan
    variables: Mapping[str, Any]
    headers: bytes
    language: Language
    waiting: list[int]  #: per fetch: how many others must be in before it
    begun: float  #: by the monotonic clock
    data: Object = field(default_factory=dict)
    errors: list[Error] = field(default_factory=list)
    failed: list[Fetch] = field(default_factory=list)
    confused: list[tuple[Path, str]] = field(default_factory=list)  #: places without an answer, for a subgraph told this field wrongly
    curtailed: bool = False  #: Not all of what went wrong is told.
    suffering: dict[int, str] = field(default_factory=dict)  #: fetch -> the service that did not answer something before it

    async def start(self) -> None:
        await self._together([fetch for fetch in self.plan.fetches if not fetch.needs])
        for fetch in self.failed:  # Only now is it known what the others brought of the same objects.
            self._lose(fetch.service, self._places(fetch.brings))

    async def _together(self, fetches: list[Fetch]) -> None:
        if not fetches:
            return
        others = [asyncio.create_task(self._one(fetch)) for fetch in fetches[1:]]
        try:
            await self._one(fetches[0])  # without a task of its own, which would cost as much as asking
            for other in others:
                await other
        except BaseException:
            for other in others:
                other.cancel()
            raise

    async def _one(self, fetch: Fetch) -> None:
        """A fetch, and then whatever waited for it alone."""
        await self._fetch(fetch)
        ready = []
        for later in fetch.then:
            self.waiting[later] -= 1
            if self.waiting[later] == 0:
                ready.append(self.plan.fetches[later])
        await self._together(ready)

    async def _fetch(self, fetch: Fetch) -> None:
        batch = describe(fetch.entity, find(self.data, fetch.entity.path)) if fetch.entity else None
        if batch is not None and fetch.id in self.suffering and UNKNOWN in batch.slots:
            self._not_asked(fetch, batch)
        if batch is not None and CONFUSED in batch.slots:
            self._cannot_ask(fetch, batch)
        if batch is not None and not batch.representations:
            return
        seconds = self._seconds(fetch)
        try:
            headers = self.headers if fetch.bearer is None else self._admitted(fetch.bearer)
            raw = await self.engine.fetcher(fetch.service, self._body(fetch, batch), headers, seconds=seconds, again=not fetch.mutation)
            self._take(fetch, batch, raw)
        except (SubgraphUnavailable, msgspec.DecodeError) as trouble:
            self.engine.watcher(fetch.service, trouble)
            self._unavailable(fetch)

    def _admitted(self, bearer: Bearer) -> bytes:
        """The client's headers, with the token that this very operation gave."""
        (holder,) = find(self.data, bearer.path)
        others = [line for line in self.headers.splitlines(keepends=True) if not line.lower().startswith(b"authorization:")]
        return b"Authorization: Bearer %b\r\n" % str(holder.get(bearer.key)).encode() + b"".join(others)

    def _seconds(self, fetch: Fetch) -> float:
        patience, spent = self.engine.patience, time.monotonic() - self.begun
        if fetch.mutation:
            return patience.for_mutation(spent)
        if self.plan.fetches[0].mutation:
            return patience.for_rest(fetch.service)
        return patience.for_query(fetch.service, spent)

    def _body(self, fetch: Fetch, batch: Batch | None) -> bytes:
        variables = {name: self.variables[name] for name in fetch.variables if name in self.variables}
        if batch is not None:
            variables[fetch.representations] = batch.representations
        if not variables:
            return fetch.head + b"}"
        return b'%b,"variables":%b}' % (fetch.head, msgspec.json.encode(variables))

    # ------------------------------------------------------------------------------------------- what came back

    def _take(self, fetch: Fetch, batch: Batch | None, raw: bytes) -> None:
        """Raises what decoding raises, if it is no GraphQL response."""
        if fetch.opaque and self._pass_on(batch, raw):
            return
        response: _Root | _Joined = _decode_root(raw) if batch is None else _decode_joined(raw)
        if response.errors:
            self._note(fetch, batch, response.errors)
        elif response.data is msgspec.UNSET:
            raise SubgraphUnavailable("the answer is no GraphQL response", "unreadable")
        if fetch.check is not None:
            self._check(fetch, batch, response)
        if isinstance(response.data, dict):
            merge(self.data, response.data)
        elif isinstance(response.data, _Entities) and batch is not None:
            spread(batch, response.data._entities or ())

    def _check(self, fetch: Fetch, batch: Batch | None, response: "_Root | _Joined") -> None:
        """Makes null what the schema does not allow, and says so; what the subgraph itself told of is not told again."""
        assert fetch.check is not None
        wrong: list[Path] = []
        if isinstance(response, _Joined):
            told = {"_entities": response.data._entities} if isinstance(response.data, _Entities) else None
            found = fetch.check(told, (), wrong)
            response.data = None if found is None else _Entities(found["_entities"])
        else:
            response.data = fetch.check(response.data, (), wrong)
        if not response.errors and wrong:
            self._say(fetch, batch, [(complaints.invalid(fetch.service, self.language), [*at]) for at in wrong])

    def _pass_on(self, batch: Batch | None, raw: bytes) -> bool:
        """Merges the answer unread, where there is nothing to read in it. -> False: there is."""
        try:
            response: _UnreadRoot | _UnreadJoined = _decode_unread_root(raw) if batch is None else _decode_unread_joined(raw)
        except msgspec.ValidationError:
            return False
        if response.errors is not None or response.data is None:
            return False
        if isinstance(response.data, _UnreadEntities):
            self._pass_on_entities(batch, response.data._entities)
        else:
            _take_unread(self.data, response.data)
        return True

    def _pass_on_entities(self, batch: Batch | None, entities: list[dict[str, msgspec.Raw] | None]) -> None:
        assert batch is not None, "only entities are joined"
        for each, slot in zip(batch.objects, batch.slots, strict=True):
            entity = entities[slot] if 0 <= slot < len(entities) else None
            if entity is not None:
                _take_unread(each, entity)

    # ------------------------------------------------------------------------------------------- what went wrong

    def _unavailable(self, fetch: Fetch) -> None:
        self._suffer(fetch, fetch.service)
        self.failed.append(fetch)

    def _suffer(self, fetch: Fetch, service: str) -> None:
        """What waits for a fetch may lack what it would have brought."""
        for later in fetch.then:
            if later not in self.suffering:  # In a row of mutations there are very many ways from the first to the last.
                self.suffering[later] = service
                self._suffer(self.plan.fetches[later], service)

    def _not_asked(self, fetch: Fetch, batch: Batch) -> None:
        """Objects that cannot be described, because another service did not answer."""
        assert fetch.entity is not None
        told = [spot for spot in fetch.brings if spot.path == fetch.entity.path]
        places = slots_at(self.data, fetch.entity.path, self.plan.renamed, batch)
        self._lose(self.suffering[fetch.id], (spot.of(at) for at, slot in places if slot < 0 for spot in told))

    def _cannot_ask(self, fetch: Fetch, batch: Batch) -> None:
        """Objects that cannot be described, because what a subgraph told of them is no key."""
        assert fetch.entity is not None
        brought = [spot for spot in fetch.brings if spot.path == fetch.entity.path]
        field = f"{fetch.entity.type}.{fetch.entity.parts[0].name}"
        places = slots_at(self.data, fetch.entity.path, self.plan.renamed, batch)
        self.confused.extend((tuple(spot.of(at)), field) for at, slot in places if slot == CONFUSED for spot in brought)

    def tell(self, lacks: list[Lack]) -> None:
        """Says of each place that there is not what must be; once where an error says why."""
        explained = Explained([*(error.get("path") for error in self.errors), *([None] if self.curtailed else [])])
        told: Counter[str] = Counter()
        for place, name in (*self.confused, *places(self.plan.outline, self.data, lacks)):
            if place not in explained and told[name] < MOST_ERRORS:
                told[name] += 1
                self.errors.append({**complaints.incomplete(name, self.language), "path": place})
        if not self.errors:
            self.errors.append(complaints.incomplete(lacks[0].field, self.language))

    def _places(self, spots: Iterable[Spot]) -> Iterable[Path]:
        return (spot.of(at) for spot in spots for at, _ in positions(self.data, spot.path, self.plan.renamed))

    def _lose(self, service: str, paths: Iterable[Path]) -> None:
        self._add(complaints.unavailable(service, self.language), paths)

    def _add(self, error: Error, paths: Iterable[Path]) -> None:
        for number, path in enumerate(islice(paths, MOST_ERRORS + 1)):
            if number == MOST_ERRORS:
                self.curtailed = True
            else:
                self.errors.append({**error, "path": path})

    def _note(self, fetch: Fetch, batch: Batch | None, errors: Iterable[_Error]) -> None:
        """The subgraph's own errors."""
        masks = self.engine.masks
        told = (complaints.told(fetch.service, each.message, each.extensions, self.language, masks=masks) for each in errors)
        self._say(fetch, batch, zip(told, (each.path for each in errors), strict=True))

    def _say(self, fetch: Fetch, batch: Batch | None, errors: Iterable[tuple[Error, list[str | int] | None]]) -> None:
        """At the paths that the client knows, each of them once."""
        said: set[tuple[str, Path]] = set()
        for error, path in errors:
            for place in self._merged_paths(fetch, batch, path):
                known = nearest(self.plan.outline, place)
                if (error["message"], known) in said:
                    continue
                if len(said) >= MOST_ERRORS:
                    self.curtailed = True
                    continue
                said.add((error["message"], known))
                self.errors.append({**error, "path": known} if known else error)

    def _merged_paths(self, fetch: Fetch, batch: Batch | None, path: list[str | int] | None) -> Iterable[Path]:
        """Where something is in the merged data that a subgraph has at this path."""
        if batch is None or fetch.entity is None:
            return (() if path is None else tuple(path),)
        places = slots_at(self.data, fetch.entity.path, {}, batch)
        if path is None or len(path) < 2:
            return islice((at for at, _ in places), 1)
        below = path[2:]
        return ((*at, *below) for at, slot in places if slot == path[1])

    def deny(self) -> None:
        """Say so at every place where a field would have been."""
        self._add(complaints.denied(self.language), self._places(self.plan.denied))

    def introspect(self) -> None:
        """What the gateway answers itself."""
        assert self.plan.introspection is not None
        result = execute_sync(self.engine.api, self.plan.introspection, variable_values=dict(self.variables))
        for key, value in (result.data or {}).items():
            self.data[introspected(key)] = value
        self.errors.extend(dict(error.formatted) for error in result.errors or ())


def _take_unread(into: Object, more: Mapping[str, msgspec.Raw]) -> None:
    for key, value in more.items():
        into[key] = None if value == NULL else value
