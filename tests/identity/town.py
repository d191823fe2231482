"""A small town for identity's tests: CarteVille and its neighbour, the DUPONT family, an agent."""

import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from sqlmodel import col, select

from services.claims import Caller
from services.clock import Clock
from services.graphql import Context
from services.identity import register
from services.identity.entrance import RESOURCE, Entrance
from services.identity.households import AccountSpec, ChildSpec, FamilySpec, StructureSpec
from services.identity.schema import schema
from services.outbox import Outgoing
from services.service import Running

NOW = dt.datetime(2026, 11, 23, 7, tzinfo=dt.UTC)
PASSWORD = "Amalia-et-Paolo-2026"
AGENT_PASSWORD = "Mairie-CarteVille-2026"
RunFixture = Callable[..., Awaitable[Running]]

CARTEVILLE = StructureSpec("carteville", "Mairie de CarteVille", "Europe/Paris", "B")
NEIGHBOUR = StructureSpec("autreville", "Mairie d'Autreville", "Europe/Paris", "B")
DUPONT = AccountSpec("dupont", PASSWORD, "M.", "Jean-Paul", "DUPONT", "jp.dupont@example.org", structure="carteville")
AGENT = AccountSpec("agent", AGENT_PASSWORD, None, "Anne", "MARTIN", agent_of="carteville", structure="carteville")
AMALIA = ChildSpec("amalia", "Amalia", "DUPONT", dt.date(2019, 4, 12))
PAOLO = ChildSpec("paolo", "Paolo", "DUPONT", dt.date(2023, 9, 30))
DUPONTS = FamilySpec("dupont", "carteville", "003150", ("dupont",), (PAOLO, AMALIA))

SIGN_IN = """mutation ($login: String!, $password: String!, $device: String) {
  signIn(login: $login, password: $password, device: $device) { ...in } }"""
REFRESH = """mutation ($token: String!) { refreshSession(refreshToken: $token) { ...in } }"""
RESET = """mutation ($token: String!, $new: String!) { resetPassword(token: $token, new: $new) { ...in } }"""
IN = """ fragment in on SignInResult { __typename ... on Refusal { code message } ... on SignedIn {
  account { id login firstName lastName families { id } agentOf { id } } accessToken accessTokenExpiresAt refreshToken deviceToken } }"""


@dataclass
class Town:
    """One running identity, what is put into it, and what is asked of it."""

    running: Running

    @classmethod
    async def of(cls, running: RunFixture, clock: Clock | None = None, **settings: Any) -> "Town":
        town = cls(await running("identity", clock=clock or Clock(frozen_at=NOW), start=False, **settings))
        await town.puts(CARTEVILLE, DUPONT, AGENT, DUPONTS)
        return town

    async def puts(self, *specs: StructureSpec | AccountSpec | FamilySpec) -> None:
        async with self.running.database.transaction() as session:
            for spec in specs:
                match spec:
                    case StructureSpec():
                        await register.put_structure(session, self.running.clock, spec)
                    case AccountSpec():
                        await register.put_account(session, self.running.clock, spec)
                    case FamilySpec():
                        await register.put_family(session, self.running.clock, spec)

    async def announces(
        self, title: str, body: str, publish_at: dt.datetime, structure: str = "carteville", public: bool | None = None
    ) -> str:
        async with self.running.database.transaction() as session:
            return await register.put_announcement(session, self.running.clock, structure, title, body, publish_at, public=public)

    def later(self, **duration: float) -> None:
        """Time passes."""
        clock = self.running.clock
        assert clock.frozen_at is not None
        clock = replace(clock, frozen_at=clock.frozen_at + dt.timedelta(**duration))
        self.running.clock = clock
        self.running.verifier._clock = clock
        self.running.resources[RESOURCE] = replace(self.entrance, clock=clock)

    @property
    def entrance(self) -> Entrance:
        entrance: Entrance = self.running.resources[RESOURCE]
        return entrance

    def caller(self, token: str | None) -> Caller | None:
        return self.running.verifier.caller(f"Bearer {token}" if token else None)

    async def answers(
        self,
        query: str,
        bearer: str | None = None,
        *,
        language: str = "fr",
        address: str | None = None,
        browser: str | None = None,
        **variables: Any,
    ) -> dict[str, Any]:
        """The answer's data; an answer with errors fails the test."""
        data, errors = await self.asked(query, bearer, language=language, address=address, browser=browser, **variables)
        assert errors is None, errors
        assert data is not None
        return data

    async def asked(
        self,
        query: str,
        bearer: str | None = None,
        *,
        language: str = "fr",
        address: str | None = None,
        browser: str | None = None,
        **variables: Any,
    ) -> tuple[dict[str, Any] | None, list[Any] | None]:
        context = Context(self.running, self.caller(bearer), language, address, user_agent=browser)  # type: ignore[arg-type]
        result = await schema.execute(query, variables, context)
        return result.data, result.errors

    async def signs_in(self, login: str = "dupont", password: str = PASSWORD, **how: Any) -> dict[str, Any]:
        answer: dict[str, Any] = (await self.answers(SIGN_IN + IN, login=login, password=password, **how))["signIn"]
        return answer

    async def refreshes(self, token: str) -> dict[str, Any]:
        answer: dict[str, Any] = (await self.answers(REFRESH + IN, token=token))["refreshSession"]
        return answer

    async def resets(self, token: str, new: str) -> dict[str, Any]:
        answer: dict[str, Any] = (await self.answers(RESET + IN, token=token, new=new))["resetPassword"]
        return answer

    async def events(self, name: str | None = None) -> list[Outgoing]:
        """What was recorded, in order; `name` as in identity.<name>."""
        async with self.running.database.reading() as session:
            rows = (await session.exec(select(Outgoing).order_by(col(Outgoing.position)))).all()
        return [row for row in rows if name is None or row.type == f"fr.preau.identity.{name}.v1"]
