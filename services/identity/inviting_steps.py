"""The steps of opening an account by an invitation: the password is judged and hashed outside every transaction."""

from dataclasses import dataclass

from services.identity import door, entries, inviting
from services.identity.devices import Visit
from services.identity.door import Opened
from services.identity.entrance import Entrance
from services.identity.households import AccountSpec
from services.identity.tables import Account
from services.identity.trying import bear
from services.refusal import Refused


@dataclass(frozen=True, slots=True)
class Newcomer:
    """What somebody says of themselves."""

    login: str
    title: str | None
    first_name: str
    last_name: str
    language: str

    def spec(self) -> AccountSpec:
        """Raises Refused INVALID_ENTRY."""
        names = entries.name_of(self.first_name, "FIRST_NAME"), entries.name_of(self.last_name, "LAST_NAME")
        title, language = entries.title_of(self.title), entries.language_of(self.language)
        return AccountSpec(entries.login_of(self.login), None, title, *names, language=language, may_wait=True)


async def open_account(entrance: Entrance, token: str, newcomer: Newcomer, password: str, visit: Visit) -> Opened:
    """Signed in. What is wrong with login or password does not use the invitation up."""
    tried = inviting.tried_with(token, visit.address)
    async with entrance.database.reading() as session:
        offer = await inviting.offer(session, entrance.clock.now(), token)
        await bear(session, entrance.clock.now(), tried)
    person = newcomer.spec()
    await entrance.refuse_weak(password, person.login, [person.first_name, person.last_name, offer.structure.name])
    new_hash = await entrance.hashing.hash(password)
    async with entrance.database.transaction() as session:
        account = await inviting.accept_anew(session, entrance.clock, token, person, new_hash, tried)
        if account is not None:
            row = await session.get_one(Account, account)
            return await entrance.greet(session, await door.let_in(session, entrance.clock, row, entrance.asked, shown=False), visit)
    raise Refused("LOGIN_TAKEN", text="LOGIN_OF_SOMEBODY", login=person.login)
