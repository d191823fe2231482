"""Signing in from outside, as GraphQL: FranceConnect and its like."""

from collections.abc import Awaitable
from typing import Annotated

import strawberry

from services.graphql import Info
from services.identity import oidc_steps
from services.identity.door_fields import SignInResult, signed_in
from services.identity.entrance import entrance, visit
from services.identity.oidc_steps import clients
from services.identity.profile_fields import account_after
from services.identity.refusals import (
    IdentityRefused,
    InvalidCredentials,
    InvalidToken,
    ProviderUnavailable,
    TooManyAttempts,
    or_refusal,
)
from services.identity.types import Account


@strawberry.type
class OidcProvider:
    id: strawberry.ID
    name: str


@strawberry.type
class OidcStarted:
    """Within ten minutes, once. `binding` stays with the client: it shows that whoever comes back is who went."""

    url: str = strawberry.field(description="Where the browser goes; it comes back with `state` and `code`.")
    state: str
    binding: str


OidcStartResult = Annotated[
    OidcStarted | ProviderUnavailable | InvalidCredentials | InvalidToken | TooManyAttempts, strawberry.union("OidcStartResult")
]
LinkResult = Annotated[
    Account | IdentityRefused | InvalidCredentials | InvalidToken | ProviderUnavailable | TooManyAttempts, strawberry.union("LinkResult")
]


async def _started(starting: Awaitable[tuple[str, str, str]]) -> OidcStarted:
    url, state, binding = await starting
    return OidcStarted(url=url, state=state, binding=binding)


@strawberry.type
class OidcQueries:
    @strawberry.field
    async def oidc_providers(self, info: Info) -> list[OidcProvider]:
        """Who else may say who somebody is, such as FranceConnect."""
        return [OidcProvider(id=strawberry.ID(id), name=client.provider.name) for id, client in clients(info).items()]


@strawberry.type
class OidcMutations:
    @strawberry.mutation
    async def start_oidc(self, info: Info, provider: str) -> OidcStartResult:
        """To sign in."""
        return await or_refusal(info, _started(oidc_steps.start(entrance(info), clients(info), provider, None)))

    @strawberry.mutation
    async def finish_oidc(self, info: Info, state: str, code: str, binding: str, device: str | None = None) -> SignInResult:
        """Opens the account that was linked, or is to be. `device` as in `signIn`."""
        finishing = oidc_steps.finish(entrance(info), clients(info), state, code, binding, visit(info, device))
        opened = await or_refusal(info, signed_in(info, finishing))
        info.context.running.outbox_written()
        return opened

    @strawberry.mutation
    async def start_oidc_link(self, info: Info, provider: str, password: str) -> OidcStartResult:
        """To open this account from outside too, from now on; `linkOidc` ends it."""
        starting = oidc_steps.start_link(entrance(info), clients(info), provider, info.context.signed_in(), password)
        return await or_refusal(info, _started(starting))

    @strawberry.mutation
    async def start_oidc_link_by_token(self, info: Info, provider: str, token: str) -> OidcStartResult:
        """The same for whoever cannot sign in, such as with a code of the town hall: `token` of `useRecoveryCode`.

        `finishOidc` ends it, uses the token up, and signs in.
        """
        starting = oidc_steps.start_link_by_token(entrance(info), clients(info), provider, token)
        return await or_refusal(info, _started(starting))

    @strawberry.mutation
    async def link_oidc(self, info: Info, state: str, code: str, binding: str) -> LinkResult:
        linking = oidc_steps.link(entrance(info), clients(info), state, code, binding, info.context.signed_in())
        linked = await or_refusal(info, account_after(linking))
        info.context.running.outbox_written()
        return linked

    @strawberry.mutation
    async def unlink_oidc(self, info: Info, provider: str, password: str) -> LinkResult:
        unlinking = oidc_steps.unlink(entrance(info), clients(info), provider, info.context.signed_in(), password)
        unlinked = await or_refusal(info, account_after(unlinking))
        info.context.running.outbox_written()
        return unlinked
