"""The studio: a server whose page starts runs, watches and steers them, and keeps what they made."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

import impasto
from impasto.plugin import read_recipe, setting_records
from impasto_plugins.studio.hub import Hub
from impasto_plugins.studio.orders import NOT_FROM_THE_BROWSER, Order
from impasto_plugins.studio.runs import Runs
from impasto_plugins.studio.server import STATIC, Server, attached, json_of
from impasto_plugins.studio.uploads import TooLarge, Uploads, jpeg

SHOWN = 2048
"""Longer side, pixels, of a result on the page; the file itself is there to be saved."""
SMALL = 360


class Studio(Server):
    """The server of the studio."""

    def __init__(self, folder: Path, host: str, port: int) -> None:
        """Bind the first port that is free.

        Args:
            folder: where uploads and results lie; made if it is not there.
            host: address of the interface.
            port: to begin with; 0 takes any.

        Raises:
            SettingsError: no port is free.
            OutputError: the folder cannot be made.
        """
        hub = Hub()
        self.folder = folder
        try:
            self.uploads, self.runs = Uploads(folder / "uploads"), Runs(folder / "runs", hub)
        except OSError as error:
            raise impasto.OutputError(f"folder '{folder}': {error.strerror or error}") from None
        run = "/api/runs/{identifier}"
        super().__init__(hub, host, port, [
            Route("/api/studio", self.about),
            Route("/api/uploads", self.upload, methods=["POST"]),
            Route("/api/uploads/{identifier}", self.small_upload),
            Route("/api/uploads/{identifier}/about", self.about_upload),
            Route("/api/check", self.check, methods=["POST"]),
            Route("/api/runs", self.start_run, methods=["POST"]),
            Route(f"{run}/picture", self.picture),
            Route(f"{run}/small", self.small),
            Route(f"{run}/file", self.file),
            Route(f"{run}/recipe", self.recipe),
            Route(f"{run}/{{action}}", self.act, methods=["POST"]),
        ], mode="studio")  # fmt: skip

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        async with super().lifespan(app):
            yield
            await self.runs.end()

    async def about(self, request: Request) -> Response:
        """What the form is made of: settings, presets, and the parts that all plugins offer."""
        return JSONResponse(await asyncio.to_thread(form))

    async def upload(self, request: Request) -> Response:
        """Take a picture."""
        name = unquote(request.headers.get("x-name", "picture"), errors="replace")
        try:
            return JSONResponse(await self.uploads.add(name, request.stream()))
        except TooLarge as error:
            raise HTTPException(413, str(error)) from None

    async def small_upload(self, request: Request) -> Response:
        """A small picture of an upload."""
        data = self.uploads.small(request.path_params["identifier"])
        return Response(data, media_type="image/jpeg")

    async def about_upload(self, request: Request) -> Response:
        """Name and size of an upload."""
        return JSONResponse(self.uploads.about(request.path_params["identifier"]))

    async def check(self, request: Request) -> Response:
        """Whether a run can be asked for so, and the command that does the same."""
        order = await self.order_of(request)
        return JSONResponse({"command": order.command(), "title": order.title})

    async def start_run(self, request: Request) -> Response:
        """Put a run into the queue."""
        return JSONResponse(self.runs.order(await self.order_of(request)))

    async def order_of(self, request: Request) -> Order:
        """The run that a request asks for."""
        asked = await json_of(request)
        return await asyncio.to_thread(Order, asked, self.uploads)

    async def picture(self, request: Request) -> Response:
        """A result, to look at."""
        return await self.as_jpeg(request, SHOWN)

    async def small(self, request: Request) -> Response:
        """A result, small."""
        return await self.as_jpeg(request, SMALL)

    async def as_jpeg(self, request: Request, longest: int) -> Response:
        """A result as JPEG."""
        path = self.runs.picture(request.path_params["identifier"])
        data = await asyncio.to_thread(jpeg, path, longest)
        return Response(data, media_type="image/jpeg")

    async def file(self, request: Request) -> Response:
        """A result, as the engine wrote it, recipe included."""
        identifier = request.path_params["identifier"]
        name = f"{self.runs.record(identifier)['title']}.png"
        path = self.runs.picture(identifier)
        return FileResponse(path, media_type="image/png", headers=attached(name))

    async def recipe(self, request: Request) -> Response:
        """The recipe in a result."""
        path = self.runs.picture(request.path_params["identifier"])
        return JSONResponse(await asyncio.to_thread(read_recipe, path))

    async def act(self, request: Request) -> Response:
        """Repeat a run, go on with it, or remove it."""
        identifier, action = (request.path_params[key] for key in ("identifier", "action"))
        if action == "remove":
            self.runs.remove(identifier)
            return JSONResponse({})
        if action not in ("rerun", "resume"):
            raise HTTPException(404, "there is no such action")
        return JSONResponse(getattr(self.runs, action)(identifier))


@functools.cache
def form() -> dict[str, Any]:
    """Settings, presets and parts, as the engine and all plugins describe them."""
    plugins = impasto.plugins()
    return {
        "settings": [one for one in setting_records() if one["name"] not in NOT_FROM_THE_BROWSER],
        "presets": {
            name: {
                **{key: value for key, value in table.items() if key != "file"},
                "picture": f"preset_{name}.jpg" in STATIC,
            }
            for name, table in impasto.presets().items()
        },
        "parts": [one for one in plugins if one.get("kind") in KINDS and one["status"] == "loaded"],
        "failed": [one["status"] for one in plugins if "kind" not in one],
    }


KINDS = ("extractor", "loss", "optimizer", "canvas")
