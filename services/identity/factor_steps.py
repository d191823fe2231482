"""The steps of what is done with second factors: passwords are checked outside every transaction, what is wrong is raised as Refused."""

from services.claims import Caller
from services.identity import factors
from services.identity.devices import Visit
from services.identity.door import Opened
from services.identity.entrance import Entrance
from services.identity.factors import Shown, Started, Tools
from services.identity.passkeys import Site
from services.identity.tables import Account
from services.refusal import Refused


async def start_totp(entrance: Entrance, caller: Caller, password: str) -> tuple[str, str]:
    """The secret, and whose it is."""
    account = await entrance.account(caller)
    await entrance.prove(caller, password)
    async with entrance.database.transaction() as session:
        return await factors.start_totp(session, entrance.clock, entrance.keyring, caller), account.login


async def confirm_totp(entrance: Entrance, caller: Caller, code: str, address: str | None) -> Account:
    await entrance.account(caller)
    async with entrance.database.transaction() as session:
        confirmed = await factors.confirm_totp(session, entrance.clock, entrance.keyring, caller, code, address)
    if not confirmed:
        raise Refused("INVALID_CODE")
    return await entrance.account(caller)


async def remove(entrance: Entrance, caller: Caller, factor: str, password: str) -> Account:
    await entrance.account(caller)
    await entrance.prove(caller, password)
    async with entrance.database.transaction() as session:
        await factors.remove(session, entrance.clock, caller, factor, entrance.asked)
    return await entrance.account(caller)


async def finish(entrance: Entrance, challenge: str, shown: Shown, visit: Visit) -> Opened:
    tools = Tools(entrance.keyring, entrance.site)
    async with entrance.database.transaction() as session:
        opened = await factors.finish(session, entrance.clock, tools, challenge, shown, visit.address, entrance.asked)
        if isinstance(opened, Opened):
            opened = await entrance.greet(session, opened, visit)
    if isinstance(opened, Opened):
        return opened
    raise Refused(opened)


async def start_passkey(entrance: Entrance, caller: Caller, password: str) -> Started:
    site = _site(entrance)
    await entrance.account(caller)
    await entrance.prove(caller, password)
    async with entrance.database.transaction() as session:
        return await factors.start_passkey(session, entrance.clock, site, caller)


async def add_passkey(entrance: Entrance, caller: Caller, challenge: str, credential: str, label: str) -> Account:
    site = _site(entrance)
    await entrance.account(caller)
    async with entrance.database.transaction() as session:
        refused = await factors.add_passkey(session, entrance.clock, site, caller, challenge, credential, label)
    if refused is not None:
        raise Refused(refused)
    return await entrance.account(caller)


async def start_passkey_sign_in(entrance: Entrance) -> Started:
    site = _site(entrance)
    async with entrance.database.transaction() as session:
        return await factors.start_passkey_sign_in(session, entrance.clock, site)


def _site(entrance: Entrance) -> Site:
    if entrance.site is None:
        raise Refused("PASSKEYS_UNAVAILABLE")
    return entrance.site
