"""What viewers see of one run: its state, its curves and its picture, with numbers that say what is new.

The run's process sends messages (:mod:`impasto_plugins.studio.reporter`), the server's thread puts them on
the board, and each viewer takes what it has not seen when its line is free: so a slow one misses pictures
and holds up nobody.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Callable
from typing import Any

import impasto
from impasto import to_json
from impasto_plugins.studio.link import Message

MOST_ROWS = 4000
"""Points of the curves that are kept; of more, every second one goes."""
MOST_NOTES = 20
"""Lines that the engine had to say; of more, the first go."""
PATIENCE = 60.0
"""Seconds after which a picture that was asked for and did not come is asked for again."""


class Board:
    """State, curves and picture of a run."""

    def __init__(
        self, tell: Callable[[bool], None], command: Callable[[Message], None] | None = None
    ) -> None:
        """Begin with nothing.

        Args:
            tell: called when there is news; True where it is urgent.
            command: sends a command to the run; None where it does not run.
        """
        self.tell, self.command = tell, command
        self.state: dict[str, Any] = {"status": "waiting", "notes": []}
        self.state_number = 1
        self.inputs: list[bytes] = []
        """JPEG of the content and of each style."""
        self.rows: list[list[Any]] = []
        self.epoch = 0
        """Changes when points that viewers have seen are there no more."""
        self.picture = b""
        """The newest picture as an event, made once for all viewers; empty where there is none."""
        self.picture_number = 0
        self.cost = 0.0
        """Seconds of the processor that the run's process took for the newest picture."""
        self.asked: float | None = None
        """When the picture that is underway was asked for."""
        self.replies: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.last_command = 0

    def take(self, message: Message) -> None:
        """Put a message of the run on the board."""
        told = {**message}
        kind = told.pop("kind")
        if kind == "picture":
            self.show(told)
        elif kind == "inputs":
            self.inputs = told["jpegs"]
            self.update({"inputs": told["names"]})
        elif kind == "rows":
            self.add(told["rows"])
        elif kind == "back":
            self.go_back(told["step"])
        elif kind == "reply":
            if (waiting := self.replies.pop(told.pop("id"), None)) and not waiting.done():
                waiting.set_result(told)
        elif kind == "note":
            self.update({"notes": [*self.state["notes"], told["line"]][-MOST_NOTES:]})
        else:
            self.update(told)

    def update(self, state: Message) -> None:
        """Change some of the state."""
        if any(self.state.get(key) != value for key, value in state.items()):
            self.state = {**self.state, **state}
            self.state_number += 1
            self.tell(True)

    def add(self, rows: list[list[Any]]) -> None:
        """Add points: step, stage, seconds, memory, total, and each term."""
        self.rows += rows
        if len(self.rows) > MOST_ROWS:
            self.rows = self.rows[::2]
            self.epoch += 1
        self.tell(False)

    def go_back(self, step: int) -> None:
        """Take away the points after a step."""
        self.rows = [row for row in self.rows if row[0] <= step]
        self.epoch += 1
        self.tell(True)

    def show(self, told: dict[str, Any]) -> None:
        """Show a picture."""
        self.asked = None
        self.cost = told.pop("cost")
        told["jpeg"] = base64.b64encode(told["jpeg"]).decode()
        self.picture_number += 1
        self.picture = event("picture", json.dumps(told))
        self.tell(False)

    def ask(self) -> None:
        """Ask the run for its picture, unless one is underway."""
        now = time.monotonic()
        if self.command is not None and (self.asked is None or now - self.asked > PATIENCE):
            self.asked = now
            self.command({"do": "picture"})

    async def order(self, message: Message) -> dict[str, Any]:
        """Send the run a command, and wait for its reply.

        Raises:
            SettingsError: the run is over, or does not answer.
        """
        if self.command is None:
            raise impasto.SettingsError("the run does not paint now")
        self.last_command += 1
        number = self.last_command
        waiting = self.replies[number] = asyncio.get_running_loop().create_future()
        self.command({**message, "id": number})
        try:
            return await asyncio.wait_for(waiting, PATIENCE)
        except TimeoutError:
            raise impasto.SettingsError("the run did not answer within a minute") from None
        finally:
            self.replies.pop(number, None)


class Seen:
    """What one viewer has seen of a board."""

    def __init__(self, board: Board | None) -> None:
        self.board = board
        self.state = self.epoch = self.picture = self.rows = -1

    def news(self) -> bytes:
        """All that is new for this viewer, as events; empty if nothing is."""
        board, parts = self.board, list[bytes]()
        if board is None:
            parts += [event("state", "null")] if self.state < 0 else []
            self.state = 0
            return b"".join(parts)
        if self.state != board.state_number:
            self.state = board.state_number
            parts.append(event("state", to_json(board.state)))
        if self.epoch != board.epoch:
            self.epoch, self.rows = board.epoch, len(board.rows)
            parts.append(event("curves", to_json(board.rows)))
        elif self.rows < len(board.rows):
            new, self.rows = board.rows[self.rows :], len(board.rows)
            parts.append(event("rows", to_json(new)))
        if self.picture != board.picture_number and board.picture:
            self.picture = board.picture_number
            parts.append(board.picture)
        return b"".join(parts)


def event(name: str, data: str) -> bytes:
    """One server-sent event; the data has no line breaks, as JSON in one line has none."""
    return f"event: {name}\ndata: {data}\n\n".encode()
