"""One process of one service, or of the gateway: `preau serve booking`."""

import gc
import socket
from importlib import import_module

import uvicorn
from starlette.types import ASGIApp

from services.settings import Settings

PORTS = {"gateway": 8000, "identity": 8101, "billing": 8102, "booking": 8103, "mailer": 8104}  #: By default, in a container each.
LARGEST_MESSAGE = 256_000  #: bytes, over a WebSocket; gateway/sockets.py takes no larger ones
GRACE_SECONDS = 2  #: For answers under way when told to end; what still streams is cut after it.


def application(name: str, settings: Settings) -> ASGIApp:
    """By the convention that each service's app module has `app(settings)`."""
    build = import_module("gateway.app").application if name == "gateway" else import_module(f"services.{name}.app").app
    app: ASGIApp = build(settings)
    return app


def serve(name: str, settings: Settings, host: str, port: int | None, socket_fd: int | None) -> None:
    """Until SIGTERM or SIGINT. `socket_fd` is a listening socket that the parent holds: connections wait there while we restart."""
    if port is None:
        port = settings.port if name == "gateway" else PORTS[name]
    config = uvicorn.Config(
        application(name, settings),
        host=host,
        port=port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
        lifespan="on",
        server_header=False,
        # Whoever may say from which address somebody comes may try passwords for ever: only those that the operator names.
        proxy_headers=settings.trusted_proxies is not None,
        forwarded_allow_ips=settings.trusted_proxies or "",
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=75,
        ws="websockets-sansio" if name == "gateway" else "none",
        ws_max_size=LARGEST_MESSAGE,
        ws_max_queue=16,
        ws_per_message_deflate=False,  # as for the other answers: whoever wants them smaller has a proxy do it
    )
    look_for_garbage_less_often()
    sockets = None if socket_fd is None else [socket.socket(fileno=socket_fd)]
    Server(config).run(sockets=sockets)


class Server(uvicorn.Server):
    """Tells the application that it ends before it waits for it: what streams would never end by itself."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        drain = getattr(getattr(self.config.app, "state", None), "drain", None)
        if drain is not None:
            await drain()
        await super().shutdown(sockets)


def look_for_garbage_less_often() -> None:
    """A rush makes many short-lived objects and hardly any cycles; looking for those so often took a sixth of its time.

    What is loaded by now stays for good, and need not be looked at again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
