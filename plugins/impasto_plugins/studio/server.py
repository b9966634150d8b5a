"""The web server: its routes, its limits, and the thread or the process that it runs in."""

from __future__ import annotations

import asyncio
import errno
import logging
import secrets
import socket
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from importlib.resources import files

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

import impasto
from impasto.plugin import from_json
from impasto_plugins.studio.events import Stream
from impasto_plugins.studio.hub import Hub
from impasto_plugins.studio.security import Gate, is_loopback, names_of

TRIES = 20
"""Ports that are tried, from the one asked for on."""
MOST_CONNECTIONS = 200
MOST_VIEWERS = 40
SILENCE = 10
"""Seconds after which a connection that asks for nothing is closed."""
LAST = 0.7
"""Seconds that viewers have to take what there is when the server ends."""
PATIENCE = 40.0
"""Seconds that a server has to end, and a run of the studio with it, which keeps its picture."""
KINDS = {
    ".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml",
    ".jpg": "image/jpeg",
}  # fmt: skip

logger = logging.getLogger("impasto")
STATIC = {
    file.name: file.read_bytes()
    for file in files("impasto_plugins.studio").joinpath("static").iterdir()
    if f".{file.name.rpartition('.')[2]}" in KINDS
}
"""The files of the page by name: read once, so that no request names a file of the disk."""


class Protocol(H11Protocol):
    """HTTP over connections that are bounded in number and in silence."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            self.connections.discard(self)
            transport.abort()
            return
        # uvicorn waits without end for the first request of a connection.
        self.timeout_keep_alive_task = self.loop.call_later(
            SILENCE, self.timeout_keep_alive_handler
        )


class Server:
    """A server that is bound to a port; it answers once it is run."""

    def __init__(
        self, hub: Hub, host: str, port: int, routes: Sequence[BaseRoute] = (), mode: str = "page"
    ) -> None:
        """Bind the first port that is free.

        Args:
            hub: what viewers see.
            host: address of the interface.
            port: to begin with; 0 takes any.
            routes: beside those of the page.
            mode: ``page`` of one run, or ``studio``.

        Raises:
            SettingsError: none is free, or the address is not this machine's.
        """
        self.hub, self.host, self.mode = hub, host, mode
        self.socket = bound(host, port)
        self.port = int(self.socket.getsockname()[1])
        self.taken = port if port not in (0, self.port) else 0
        self.token = secrets.token_urlsafe(24)
        app = Starlette(
            routes=[*self.routes(), *routes],
            exception_handlers={impasto.ImpastoError: refused, HTTPException: refused},
            lifespan=self.lifespan,
        )
        self.app: ASGIApp = Gate(app, self.token, self.port, names_of(host))
        config = uvicorn.Config(
            self.app, http=Protocol, ws="none", log_config=None, log_level="critical", access_log=False,
            server_header=False, date_header=False, timeout_keep_alive=SILENCE,
            timeout_graceful_shutdown=2, proxy_headers=False,
        )  # fmt: skip
        self.server = uvicorn.Server(config)
        self.thread: threading.Thread | None = None

    @property
    def address(self) -> str:
        """The start address, with the token."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "localhost") else self.host  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/?token={self.token}"

    def say(self, what: str) -> None:
        """Say where the page is, and what there is to know about it."""
        logger.info("%s: %s", what, self.address)
        if self.taken:
            logger.info("port %d is taken; this is the next one that is free", self.taken)
        if not is_loopback(self.host):
            logger.warning(
                "the page is open to the network, without encryption: whoever has its address can see and"
                " steer the run, and starts others in a studio"
            )

    def routes(self) -> list[BaseRoute]:
        """The routes of the page itself."""
        return [
            Route("/", self.index),
            Route("/static/{name}", self.static),
            Route("/api/mode", self.tell_mode),
            Route("/api/events", self.events),
            Route("/api/inputs/{number:int}", self.input),
            Route("/api/steer", self.steer, methods=["POST"]),
        ]

    async def index(self, request: Request) -> Response:
        """The page."""
        return Response(STATIC["index.html"], media_type="text/html")

    async def static(self, request: Request) -> Response:
        """A file of the page."""
        name = request.path_params["name"]
        if name not in STATIC:
            raise HTTPException(404, "there is no such file")
        return Response(STATIC[name], media_type=KINDS[f".{name.rpartition('.')[2]}"])

    async def tell_mode(self, request: Request) -> Response:
        """Whether this is the page of one run, or a studio."""
        return JSONResponse({"mode": self.mode})

    async def events(self, request: Request) -> Response:
        """The stream of what happens."""
        if self.hub.viewers >= MOST_VIEWERS:
            raise HTTPException(503, f"{MOST_VIEWERS} pages are open already; close one")
        return Stream(self.hub)  # type: ignore[return-value]

    async def input(self, request: Request) -> Response:
        """An input of the run that is shown, as JPEG: the content, then the styles."""
        number, board = request.path_params["number"], self.hub.board
        if board is None or number >= len(board.inputs):
            raise HTTPException(404, "there is no such picture")
        return Response(board.inputs[number], media_type="image/jpeg")

    async def steer(self, request: Request) -> Response:
        """Send the run that paints a command."""
        message = await json_of(request)
        if self.hub.board is None:
            raise impasto.SettingsError("no run paints now")
        found = await self.hub.board.order(message)
        # What this took is made up for: the next pictures come later.
        self.hub.board.cost += found.pop("cost", 0.0)
        data = found.pop("data", None)
        if data is not None:
            return Response(data, media_type=found["type"], headers=attached(found["name"]))
        return JSONResponse(found, 400 if found.get("line") else 200)

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Ask for pictures as long as the server runs."""
        self.hub.loop = asyncio.get_running_loop()
        telling = asyncio.ensure_future(self.hub.keep_telling())
        yield
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)

    def run(self) -> None:
        """Answer until :meth:`stop` is called, or, in the main thread, a signal comes."""
        self.server.run([self.socket])

    def start(self) -> None:
        """Answer in a thread of its own, which ends with the process."""
        self.thread = threading.Thread(target=self.run, name="page-server", daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """End it, once viewers have been sent what there is."""
        if self.hub.loop is not None:
            with suppress(RuntimeError):
                self.hub.loop.call_soon_threadsafe(self.hub.close)
            deadline = time.monotonic() + LAST
            while self.hub.viewers and time.monotonic() < deadline:
                time.sleep(0.02)
        self.server.should_exit = True
        if self.thread is not None:
            self.thread.join(PATIENCE)
        self.socket.close()


async def json_of(request: Request, most: int = 100_000) -> dict[str, object]:
    """The JSON object that a request has as its body.

    Raises:
        HTTPException: it has none, or too long a one.
    """
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > most:
            raise HTTPException(413, f"a request has at most {most} bytes")
    with suppress(ValueError):
        if isinstance(found := from_json(body), dict):
            return found
    raise HTTPException(400, "the request is no JSON object")


async def refused(request: Request, error: Exception) -> Response:
    """An error as one line."""
    if isinstance(error, HTTPException):
        return JSONResponse({"line": error.detail}, error.status_code)
    return JSONResponse({"line": str(error)}, 400)


def attached(name: str) -> dict[str, str]:
    """The header with which a browser saves an answer as a file."""
    plain = "".join(
        one if (one.isascii() and one.isalnum()) or one in "._-" else "_" for one in name
    )
    return {"Content-Disposition": f'attachment; filename="{plain}"'}


def bound(host: str, port: int) -> socket.socket:
    """A socket on the first port that is free.

    Raises:
        SettingsError: none is, or the address is not this machine's.
    """
    kind = socket.AF_INET6 if ":" in host else socket.AF_INET
    for number in range(port, min(port + TRIES, 65536)):
        made = socket.socket(kind, socket.SOCK_STREAM)
        try:
            # Without it a port stays taken for a minute after its server has ended.
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((host, number))
            made.listen(128)
        except OSError as error:
            made.close()
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                reason = error.strerror or error
                raise impasto.SettingsError(f"host '{host}', port {number}: {reason}") from None
            continue
        return made
    raise impasto.SettingsError(
        f"ports {port} to {port + TRIES - 1} of '{host}' cannot be had; name another port"
    )
