"""A page in the browser that shows the run as it paints, and steers it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

import impasto
from impasto.plugin import require
from impasto_plugins.studio import link
from impasto_plugins.studio.reporter import SNAPSHOTS, Reporter

if TYPE_CHECKING:
    from impasto_plugins.studio.server import Server


class Page(Reporter):
    """A page in the browser that shows the run as it paints, and steers it."""

    def __init__(
        self,
        port: Annotated[
            int, Field(ge=0, le=65535, description="of the server; 0 takes one that is free")
        ] = 8321,
        host: Annotated[
            str, Field(description="interface; 0.0.0.0 opens the page to the network")
        ] = "127.0.0.1",
        snapshots: Annotated[
            float,
            Field(
                ge=0,
                allow_inf_nan=False,
                description="10⁶ bytes for states to take the run back to; 0 keeps none",
            ),
        ] = SNAPSHOTS,
    ) -> None:
        require("starlette", "studio", "callback 'page'")
        require("uvicorn", "studio", "callback 'page'")
        self.port, self.host = port, host
        self.server: Server | None = None
        super().__init__(link.send or self.post, snapshots)
        if link.take is not None:
            link.take(self.command)

    @impasto.hookimpl
    def impasto_before_run(self, run: impasto.Run) -> None:
        if link.send is None:
            self.serve()
        super().impasto_before_run(run)

    def serve(self) -> None:
        """Start a server of the run's own; one that a studio has started is shown there."""
        # Imported here: the studio's own process has them, and other runs need not wait for them.
        from impasto_plugins.studio.board import Board
        from impasto_plugins.studio.hub import Hub
        from impasto_plugins.studio.server import Server

        hub = Hub()
        self.board = hub.board = Board(hub.tell, self.command)
        self.hub = hub
        self.server = Server(hub, self.host, self.port)
        self.server.start()
        self.server.say("the page of this run")

    def post(self, message: link.Message) -> None:
        """Put a message on the server's board."""
        self.hub.post(self.board, message)

    def end(self) -> None:
        super().end()
        if self.server is not None:
            self.server.stop()


@impasto.hookimpl
def impasto_callbacks() -> Iterable[impasto.Offer]:
    return [impasto.Offer("page", Page)]
