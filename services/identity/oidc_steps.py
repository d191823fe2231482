"""The steps of signing in from outside: no transaction waits for a provider; what is wrong is raised as Refused."""

from collections.abc import Awaitable, Mapping
from typing import TypeVar

from services.claims import Caller
from services.graphql import Info
from services.identity import outside, queries
from services.identity.devices import Visit
from services.identity.door import Opened
from services.identity.entrance import Entrance
from services.identity.hashing import token_sum
from services.identity.id_tokens import Wrong
from services.identity.oidc import Client, Said, Unreachable
from services.identity.outside import Begun
from services.identity.tables import Account
from services.refusal import Refused
from services.telemetry import log

CLIENTS = "oidc"  #: By provider, among a process's resources.
T = TypeVar("T")


def clients(info: Info) -> Mapping[str, Client]:
    found: Mapping[str, Client] = info.context.running.resources[CLIENTS]
    return found


def _client(known: Mapping[str, Client], provider: str) -> Client:
    if provider not in known:
        raise Refused("PROVIDER_UNAVAILABLE")
    return known[provider]


async def start(
    entrance: Entrance, known: Mapping[str, Client], provider: str, caller: Caller | None, reset: str | None = None
) -> tuple[str, str, str]:
    """Where to go, the state, and what the client keeps."""
    client = _client(known, provider)
    async with entrance.database.transaction() as session:
        half, binding = await outside.begin_half(session, entrance.clock, entrance.keyring, provider, caller, reset)
    return await _asked(client, client.address(half)), half.state, binding


async def start_link(entrance: Entrance, known: Mapping[str, Client], provider: str, caller: Caller, password: str) -> tuple[str, str, str]:
    await entrance.account(caller)
    await entrance.prove(caller, password)
    return await start(entrance, known, provider, caller)


async def start_link_by_token(entrance: Entrance, known: Mapping[str, Client], provider: str, token: str) -> tuple[str, str, str]:
    async with entrance.database.reading() as session:
        account = await queries.account_of_reset(session, token_sum(token), entrance.clock.now())
    if account is None:
        raise Refused("INVALID_TOKEN")
    return await start(entrance, known, provider, None, token)


async def finish(entrance: Entrance, known: Mapping[str, Client], state: str, code: str, binding: str, visit: Visit) -> Opened:
    begun, said = await _said(entrance, known, state, code, binding, None)
    name = known[begun.provider].provider.name
    async with entrance.database.transaction() as session:
        if begun.reset_sum is None:
            opened = await outside.sign_in(session, entrance.clock, begun.provider, said, entrance.asked)
        else:
            opened = await outside.link_by_token(session, entrance.clock, begun.reset_sum, begun.provider, name, said, entrance.asked)
        if isinstance(opened, Opened):
            opened = await entrance.greet(session, opened, visit)
    return entrance.through(opened, "IDENTITY_NOT_LINKED" if begun.reset_sum is None else "INVALID_TOKEN")


async def link(entrance: Entrance, known: Mapping[str, Client], state: str, code: str, binding: str, caller: Caller) -> Account:
    await entrance.account(caller)
    begun, said = await _said(entrance, known, state, code, binding, caller)
    name = known[begun.provider].provider.name
    await entrance.account(caller)  # while the provider was asked, the session may have been ended
    async with entrance.database.transaction() as session:
        linked = await outside.link(session, entrance.clock, caller.account, begun.provider, name, said)
    if not linked:
        raise Refused("IDENTITY_REFUSED")
    return await entrance.account(caller)


async def unlink(entrance: Entrance, known: Mapping[str, Client], provider: str, caller: Caller, password: str) -> Account:
    await entrance.account(caller)
    await entrance.prove(caller, password)
    name = known[provider].provider.name if provider in known else provider
    async with entrance.database.transaction() as session:
        await outside.unlink(session, entrance.clock, caller, provider, name)
    return await entrance.account(caller)


async def _said(
    entrance: Entrance, known: Mapping[str, Client], state: str, code: str, binding: str, caller: Caller | None
) -> tuple[Begun, Said]:
    async with entrance.database.transaction() as session:
        begun = await outside.take_half(session, entrance.clock, entrance.keyring, state, binding, caller)
    if begun is None:
        raise Refused("INVALID_TOKEN")
    client = _client(known, begun.provider)
    is_linked = caller is not None or begun.reset_sum is not None
    return begun, await _asked(client, client.said(code, begun.half, entrance.clock.now(), named=is_linked))


async def _asked(client: Client, asking: Awaitable[T]) -> T:
    try:
        return await asking
    except Unreachable as error:
        log().warning("provider away", provider=client.provider.id, error=str(error))
        raise Refused("PROVIDER_UNAVAILABLE") from error
    except Wrong as error:
        log().warning("provider not believed", provider=client.provider.id, error=str(error))
        raise Refused("IDENTITY_REFUSED") from error
