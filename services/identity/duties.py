"""What a process of identity does besides answering: make its key known, publish it, tidy up."""

from secrets import token_hex

from sqlmodel import select
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from services.claims import PublicKey
from services.identity import announcing, closing, factors, installation, profile, queries
from services.identity.entrance import RESOURCE, Entrance
from services.identity.hashing import Hashing
from services.identity.keyring import Keyring
from services.identity.oidc import Client
from services.identity.oidc_steps import CLIENTS
from services.identity.passkeys import site_of
from services.identity.providers import read_providers
from services.identity.second_factor import DEFAULT, SecondFactor
from services.identity.tables import SigningKey
from services.links import new_key
from services.personal import FIRST_SECONDS, wipe_soon
from services.service import Running
from services.telemetry import log

TIDY_EVERY_SECONDS = 3600
KEY_SECONDS = 1.0
ANNOUNCE_SECONDS = 2.0
ADDRESS_SECONDS = 10.0
RETURN = "/connexion/retour"  #: Where providers send browsers back to.


async def open_entrance(running: Running) -> None:
    """Before anything is served."""
    async with running.database.transaction("duty") as session:
        signer = await installation.announce_key(session, running.clock, running.settings.signing_key)
        field_key = running.settings.field_key or await installation.keep_secret(session, "field_key", new_key())
        decoy_secret = await installation.keep_secret(session, "decoys", token_hex(32))
        keys = (await session.exec(select(SigningKey))).all()
        keyring = Keyring(field_key)
        await factors.check_keyring(session, keyring)
    running.verifier.trust(*(PublicKey(key.kid, key.public_jwk, key.created_at.timestamp()) for key in keys))
    redirect_uri = f"{running.settings.public_url}{RETURN}"
    providers = read_providers(running.settings.oidc, production=running.settings.production)
    running.resources[CLIENTS] = {id: Client(provider, redirect_uri) for id, provider in providers.items()}
    asked = SecondFactor.REQUIRED if running.settings.production else SecondFactor.OPTIONAL
    running.resources[DEFAULT] = asked
    running.resources[RESOURCE] = Entrance(
        running.database,
        running.clock,
        Hashing(),
        signer,
        bytes.fromhex(decoy_secret),
        keyring,
        site_of(running.settings.public_url),
        asked,
    )


async def public_keys(request: Request) -> Response:
    """GET /.well-known/jwks.json: what verifies our tokens."""
    running: Running = request.app.state.running
    return JSONResponse(running.verifier.public_keys(), headers={"Cache-Control": "public, max-age=300"})


async def keep_signing(running: Running) -> None:
    """With another key, once this one was withdrawn. A key from the settings only its operator can replace: until then nobody is let in."""
    while True:
        await running.rest(KEY_SECONDS)
        kid = running.resources[RESOURCE].signer.kid
        if running.verifier.is_withdrawn(kid):
            log().warning("the signing key was withdrawn", kid=kid)
            await open_entrance(running)


async def put_addresses_in_force(running: Running) -> None:
    """Once their day is over. Looking alone keeps no writer waiting."""
    while True:
        async with running.database.reading() as session:
            due = await queries.addresses_due(session, running.clock.now())
        for account in due:
            async with running.database.transaction("duty") as session:
                await profile.put_due_in_force(session, running.clock, account)
            running.outbox_written()
        await running.rest(ADDRESS_SECONDS)


async def announce(running: Running) -> None:
    """Tell of announcements on their day. Looking alone keeps no writer waiting."""
    while True:
        async with running.database.reading() as session:
            are_due = await announcing.are_due(session, running.clock.now())
        if are_due:
            async with running.database.transaction("duty") as session:
                await announcing.tell_due(session, running.clock)
            running.outbox_written()
        await running.rest(ANNOUNCE_SECONDS)


async def tidy_up(running: Running) -> None:
    """Forget what means nothing any more, above all links for a new password that are in the outbox.

    The broker's copy of such a link stays in the internal stream, which is meant for the services alone: good once, for half an hour.
    """
    await running.rest(FIRST_SECONDS)
    while True:
        async with running.database.transaction("duty") as session:
            await installation.tidy(session, running.clock)
        async with running.database.transaction("duty") as session:
            some_erased = await closing.tend(session, running.clock)
        running.outbox_written()
        if some_erased:
            wipe_soon(running)
        await running.rest(TIDY_EVERY_SECONDS)
