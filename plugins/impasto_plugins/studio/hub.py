"""What all viewers share: the board that is shown, the list of runs, and how often there is news.

Viewers cost a run time where they share its processors. So encoding and sending are measured, and the next
news wait until what was spent is a hundredth of the time that has passed: ten viewers see a picture less
often than one does, and the run does not notice.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from impasto import to_json
from impasto_plugins.studio.board import Board, event
from impasto_plugins.studio.link import Message

SHARE = 0.01
"""Part of the time that pictures and curves may take of the processor, for all viewers together."""
FASTEST, SLOWEST = 0.2, 10.0
"""Seconds between news, within which that holds."""


class Hub:
    """Belongs to the server's thread, but for :meth:`post`."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self.board: Board | None = None
        """Of the run that paints, or of the last one; viewers are shown it unless they ask for another."""
        self.viewers = 0
        self.table: Any = None
        """The list of runs; None where there is one run alone."""
        self.table_number = 0
        self.news = asyncio.Event()
        self.waiting = False
        """Whether there is news that is not urgent."""
        self.closing = False
        """Whether the streams are to end, since the server does."""

    def post(self, board: Board, message: Message) -> None:
        """Put a message on a board, from any thread."""
        loop = self.loop
        if loop is None:
            board.take(message)
            return
        try:
            loop.call_soon_threadsafe(board.take, message)
        except RuntimeError:
            # The server has ended before the run.
            return

    def tell(self, urgent: bool) -> None:
        """Say that there is news: at once, or with the next tick."""
        if not urgent:
            self.waiting = True
            return
        self.waiting = False
        self.news.set()
        self.news = asyncio.Event()

    def close(self) -> None:
        """Have all streams end once they have sent what there is."""
        self.closing = True
        self.tell(True)

    def list_runs(self, table: Any) -> None:
        """Show another list of runs."""
        self.table = table
        self.table_number += 1
        self.tell(True)

    def table_event(self) -> bytes:
        """The list of runs as an event."""
        return event("runs", to_json(self.table))

    async def keep_telling(self) -> None:
        """Ask for pictures and pass on news, as often as their cost allows."""
        self.loop = asyncio.get_running_loop()
        pause = FASTEST
        while True:
            used = time.thread_time()
            if self.waiting:
                self.tell(True)
            if self.board is not None and self.viewers:
                self.board.ask()
            await asyncio.sleep(pause)
            cost = time.thread_time() - used
            if self.board is not None:
                cost, self.board.cost = cost + self.board.cost, 0.0
            pause = min(max(FASTEST, cost / SHARE), SLOWEST)
