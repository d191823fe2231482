"""One process of one service, or of the gateway: `preau serve booking`."""

import asyncio
import gc
import socket
from importlib import import_module
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from deploy.addresses import HALF_RESTORED, half_restored_file
from deploy.trouble import Trouble
from deploy.wire import Wire
from services.settings import SERVICES, Settings

PORTS = {"gateway": 8000, "identity": 8101, "billing": 8102, "booking": 8103, "mailer": 8104}  #: By default, in a container each.
LARGEST_MESSAGE = 256_000  #: bytes, over a WebSocket; gateway/sockets.py takes no larger ones

# What a process does when it is told to end. In production that is less, together, than the 30 s that Kubernetes grants.
#: It answers on, over connections that it closes with each answer, while load balancers learn from /readyz that it ends.
LINGER_SECONDS, LINGER_SECONDS_IN_PRODUCTION = 0.2, 3.0
#: For what was taken in just before no more connections were, to be asked.
LAST_SECONDS = 0.1
#: For answers under way.
GRACE_SECONDS, GRACE_SECONDS_IN_PRODUCTION = 2, 20


def application(name: str, settings: Settings) -> ASGIApp:
    """By the convention that each service's app module has `app(settings)`."""
    build = import_module("gateway.app").application if name == "gateway" else import_module(f"services.{name}.app").app
    app: ASGIApp = build(settings)
    return app


def serve(name: str, settings: Settings, host: str, port: int | None, socket_fd: int | None) -> None:
    """Until SIGTERM or SIGINT. `socket_fd` is a listening socket that the parent holds: connections wait there while we restart.

    Raises Trouble.
    """
    if name in SERVICES and half_restored_file(settings.database_urls[name]):
        raise Trouble(f"{name}: {HALF_RESTORED}")
    if port is None:
        port = settings.port if name == "gateway" else PORTS[name]
    gc.disable()  # nothing of what is loaded now is garbage
    config = uvicorn.Config(
        application(name, settings),
        host=host,
        port=port,
        loop="uvloop",
        http=Wire,
        access_log=False,
        log_config=None,  # as the rest of the process: services/telemetry.py
        log_level="warning",
        lifespan="on",
        server_header=False,
        # Whoever may say from which address somebody comes may try passwords for ever: only those that the operator names.
        proxy_headers=settings.trusted_proxies is not None,
        forwarded_allow_ips=settings.trusted_proxies or "",
        timeout_graceful_shutdown=GRACE_SECONDS_IN_PRODUCTION if settings.production else GRACE_SECONDS,
        timeout_keep_alive=75,
        ws="websockets-sansio" if name == "gateway" else "none",
        ws_max_size=LARGEST_MESSAGE,
        ws_max_queue=16,
        ws_per_message_deflate=False,  # as for the other answers: whoever wants them smaller has a proxy do it
    )
    look_for_garbage_less_often()
    sockets = None if socket_fd is None else [socket.socket(fileno=socket_fd)]
    server = Server(config)
    server.in_production = settings.production
    server.run(sockets=sockets)


class Server(uvicorn.Server):
    """Ends without breaking anything off: first it says that it will, then it takes nothing in any more, then it ends what is under way.

    Uvicorn alone would close connections over which somebody is just asking, and wait for streams that never end by themselves.
    """

    in_production = False

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        state: Any = getattr(self.config.app, "state", None)
        if state is not None:
            state.ending = True  # for /readyz
        self.server_state.default_headers = [*self.server_state.default_headers, (b"connection", b"close")]
        if self.in_production:
            await asyncio.sleep(LINGER_SECONDS_IN_PRODUCTION)  # a load balancer may send somebody who is not connected yet
        else:
            await self._while_connected(LINGER_SECONDS)
        for server in self.servers:
            server.close()
        drain = getattr(state, "drain", None)
        if drain is not None:
            await drain()
        await self._while_connected(LAST_SECONDS)
        await super().shutdown(sockets)

    async def _while_connected(self, seconds: float) -> None:
        if self.server_state.connections:
            await asyncio.sleep(seconds)


def look_for_garbage_less_often() -> None:
    """A rush makes many short-lived objects and hardly any cycles; looking for those so often took a sixth of its time.

    What is loaded by now stays for good, and need not be looked at again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    gc.enable()
