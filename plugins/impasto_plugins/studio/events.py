"""The stream of server-sent events to one viewer, which takes what is new whenever its line is free."""

from __future__ import annotations

import asyncio

from starlette.types import Receive, Scope, Send

from impasto_plugins.studio.board import Seen, event
from impasto_plugins.studio.hub import Hub

PATIENCE = 30.0
"""Seconds that a viewer may take to read what it was sent; then its connection is given up."""
HEARTBEAT = 15.0
"""Seconds without news after which a line is sent, so that a connection that is dead is seen."""


class Stream:
    """An ASGI response."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until the viewer is gone."""
        headers = [(b"content-type", b"text/event-stream; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        gone = asyncio.ensure_future(until_gone(receive))
        talking = asyncio.ensure_future(self.talk(send))
        self.hub.viewers += 1
        try:
            await asyncio.wait([gone, talking], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.hub.viewers -= 1
            for task in (gone, talking):
                task.cancel()
            await asyncio.gather(gone, talking, return_exceptions=True)

    async def talk(self, send: Send) -> None:
        """Send what is new, and wait for more."""
        hub, seen, table = self.hub, Seen(self.hub.board), -1
        while True:
            # Before it is looked what is new: what comes while that is sent must not be missed.
            news = hub.news
            if seen.board is not hub.board:
                seen = Seen(hub.board)
            body = seen.news()
            if table != hub.table_number:
                table, body = hub.table_number, hub.table_event() + body
            body, closing = body or event("alive", "0"), hub.closing
            message = {"type": "http.response.body", "body": body, "more_body": not closing}
            await asyncio.wait_for(send(message), PATIENCE)
            if closing:
                return
            try:
                await asyncio.wait_for(news.wait(), HEARTBEAT)
            except TimeoutError:
                continue


async def until_gone(receive: Receive) -> None:
    """Wait until the viewer has closed its connection."""
    while (await receive())["type"] != "http.disconnect":
        pass
