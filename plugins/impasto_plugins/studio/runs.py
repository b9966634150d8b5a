"""The runs of the studio: a queue, one run at a time, and what is left of those before."""

from __future__ import annotations

import asyncio
import json
import logging
import multiprocessing
import secrets
import shutil
import sys
import threading
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import impasto
from impasto.plugin import written_whole
from impasto_plugins.studio.board import Board
from impasto_plugins.studio.child import output_of, paint
from impasto_plugins.studio.hub import Hub
from impasto_plugins.studio.orders import Order
from impasto_plugins.studio.uploads import IDENTIFIER

MOST_WAITING = 20
MOST_RUNS = 1000
PATIENCE = 30.0
"""Seconds that a run has to keep its picture when the studio ends."""
PRELOADED = ("impasto.api.run", "torch._dynamo", "impasto_plugins.callbacks.page")

logger = logging.getLogger("impasto")


class Runs:
    """Belongs to the server's thread."""

    def __init__(self, folder: Path, hub: Hub) -> None:
        """Find the runs that are there.

        Args:
            folder: with a folder for each run; made if it is not there.
            hub: is told of all that happens.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.hub = folder, hub
        self.records: dict[str, dict[str, Any]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        """Of the runs that wait."""
        self.active: Active | None = None
        for path in folder.glob("*/run.json"):
            self.find(path)
        self.tell()

    def find(self, path: Path) -> None:
        """Add a run of an earlier studio to the list."""
        try:
            record = json.loads(path.read_text("utf-8"))
            assert record["id"] == path.parent.name
            assert IDENTIFIER.fullmatch(record["id"])
            assert isinstance(record["created"], float)
        except (OSError, ValueError, KeyError, TypeError, AssertionError):
            return
        self.records[record["id"]] = record
        if record["status"] in ("running", "waiting"):
            line = "the studio ended before this run did"
            self.change(record["id"], status="interrupted", line=line)

    def record(self, identifier: object) -> dict[str, Any]:
        """What is known of a run.

        Raises:
            SettingsError: there is none of that identifier.
        """
        record = self.records.get(identifier) if isinstance(identifier, str) else None
        if record is None:
            raise impasto.SettingsError("there is no such run")
        return record

    def folder_of(self, identifier: object) -> Path:
        """The folder of a run.

        Raises:
            SettingsError: there is none of that identifier.
        """
        return self.folder / str(self.record(identifier)["id"])

    def picture(self, identifier: object) -> Path:
        """The picture that a run has made.

        Raises:
            PictureError: it has made none.
        """
        path = output_of(self.folder_of(identifier))
        if not path.is_file():
            raise impasto.PictureError("this run has no picture")
        return path

    def order(self, order: Order) -> dict[str, Any]:
        """Put a run into the queue."""
        about = {"title": order.title, "asked": order.asked, "command": order.command()}
        return self.queue(about, "run", order.keywords(), checkpoint=True)

    def rerun(self, identifier: object) -> dict[str, Any]:
        """Repeat a run from the recipe in its picture."""
        before, picture = self.record(identifier), self.picture(identifier)
        about = {key: before.get(key) for key in ("asked", "command")}
        about["title"] = f"{before['title']}, again"
        return self.queue(about, "rerun", {"path": str(picture)})

    def queue(
        self,
        about: Mapping[str, Any],
        what: str,
        given: Mapping[str, Any],
        checkpoint: bool = False,
    ) -> dict[str, Any]:
        """Put a job into the queue, in a folder of its own."""
        self.refuse_too_many()
        identifier = secrets.token_hex(12)
        folder = self.folder / identifier
        folder.mkdir()
        self.records[identifier] = {
            "id": identifier, "created": time.time(), "status": "waiting", "line": "", **about,
        }  # fmt: skip
        more = {"checkpoint": str(folder / "checkpoint")} if checkpoint else {}
        arguments = {**given, "output": str(output_of(folder)), **more}
        if what == "run":
            arguments["callback"] = ["page"]
        self.jobs[identifier] = {"what": what, "with": arguments}
        self.change(identifier)
        self.start_next()
        return self.records[identifier]

    def resume(self, identifier: object) -> dict[str, Any]:
        """Go on with a run that was interrupted, from its checkpoint."""
        self.refuse_too_many()
        record, folder = self.record(identifier), self.folder_of(identifier)
        if not record.get("checkpoint") or record["status"] in ("running", "waiting"):
            raise impasto.SettingsError("this run has no checkpoint to go on from")
        job = {"what": "resume", "with": {"folder": str(folder / "checkpoint")}}
        self.jobs[record["id"]] = job
        self.change(record["id"], status="waiting", line="")
        self.start_next()
        return record

    def remove(self, identifier: object) -> None:
        """Take a run out of the queue, or away with all that it left.

        Raises:
            SettingsError: it paints.
        """
        record = self.record(identifier)
        if self.active is not None and self.active.identifier == record["id"]:
            raise impasto.SettingsError("this run paints; stop it first")
        folder = self.folder_of(identifier)
        self.jobs.pop(record["id"], None)
        del self.records[record["id"]]
        shutil.rmtree(folder, ignore_errors=True)
        self.tell()

    def refuse_too_many(self) -> None:
        """Refuse one more run where there are as many as may be.

        Raises:
            SettingsError: with their number.
        """
        if len(self.jobs) >= MOST_WAITING:
            raise impasto.SettingsError(f"{MOST_WAITING} runs wait already; let one end first")
        if len(self.records) >= MOST_RUNS:
            raise impasto.SettingsError(f"the studio keeps {MOST_RUNS} runs; remove some first")

    def change(self, identifier: str, **more: Any) -> None:
        """Change what is known of a run, also on the disk, and tell."""
        record = self.records.get(identifier)
        if record is None:
            return
        record.update(more)
        folder = self.folder / identifier
        record["picture"] = output_of(folder).is_file()
        record["checkpoint"] = any(folder.glob("checkpoint/checkpoint*"))
        try:
            with written_whole(folder / "run.json") as place:
                place.write_text(impasto.to_json(record), encoding="utf-8")
        except (OSError, impasto.ImpastoError) as error:
            logger.warning("what is known of a run cannot be written: %s", error)
        self.tell()

    def tell(self) -> None:
        """Tell viewers which runs there are, the newest first."""
        runs = sorted(self.records.values(), key=lambda one: one["created"], reverse=True)
        self.hub.list_runs(runs)

    def start_next(self) -> None:
        """Start the run that has waited longest, if none paints."""
        if self.active is not None or not self.jobs:
            return
        identifier = next(iter(self.jobs))
        job = self.jobs.pop(identifier)
        record = self.records[identifier]
        board = Board(self.hub.tell)
        board.update({"status": "starting", "run": identifier, "title": record["title"]})
        self.active = Active(identifier, board, self.ended)
        self.hub.board = board
        self.change(identifier, status="running", line="")
        self.active.start(self.hub, job, self.folder / identifier)

    def ended(self, message: Mapping[str, Any]) -> None:
        """Take note of how the active run ended, and start the next."""
        active = self.active
        assert active is not None
        self.active = None
        told = {key: value for key, value in message.items() if key != "kind"}
        if told["status"] == "done":
            shutil.rmtree(self.folder / active.identifier / "checkpoint", ignore_errors=True)
        self.change(active.identifier, **{"line": "", **told})
        active.board.command = None
        active.board.update({key: told.get(key) for key in ("status", "line", "stopped")})
        self.start_next()

    async def end(self) -> None:
        """End the active run, with its picture and its checkpoint, since the studio ends."""
        self.jobs.clear()
        if (active := self.active) is not None:
            active.command({"do": "quit"})
            await asyncio.to_thread(active.reading.join, PATIENCE)
            if active.reading.is_alive():
                active.process.kill()
            # What the process said last is on its way to this thread.
            for _ in range(50):
                if self.active is not active:
                    break
                await asyncio.sleep(0.02)


class Active:
    """The run that paints, seen from the studio."""

    def __init__(
        self, identifier: str, board: Board, ended: Callable[[Mapping[str, Any]], None]
    ) -> None:
        self.identifier, self.board, self.ended = identifier, board, ended
        self.process: BaseProcess
        self.pipe: Connection
        self.reading: threading.Thread
        self.sending = threading.Lock()

    def start(self, hub: Hub, job: Mapping[str, Any], folder: Path) -> None:
        """Start its process, and read what it says."""
        # A process that has imported torch forks at once; macOS and Windows have to start anew.
        kind = "forkserver" if sys.platform == "linux" else "spawn"
        # multiprocessing's own types do not say that every context has processes.
        context: Any = multiprocessing.get_context(kind)
        if kind == "forkserver":
            context.set_forkserver_preload(list(PRELOADED))
        self.pipe, far = context.Pipe()
        self.process = context.Process(target=paint, args=(far, job, str(folder)), name="run")
        self.board.command = self.command
        # In a thread, since the first start takes seconds, in which the page has to answer.
        self.reading = threading.Thread(
            target=self.start_and_read, args=(hub, far), name="studio-run", daemon=True
        )
        self.reading.start()

    def start_and_read(self, hub: Hub, far: Connection) -> None:
        """Start the process, and pass on what it says."""
        try:
            self.process.start()
        finally:
            far.close()
        self.read(hub)

    def command(self, message: Mapping[str, Any]) -> None:
        """Send the run a command."""
        with self.sending:
            try:
                self.pipe.send(message)
            except (OSError, ValueError):
                # It has ended; its reader says so.
                return

    def read(self, hub: Hub) -> None:
        """Pass on what the run says, and then how it ended."""
        last: Mapping[str, Any] | None = None
        while True:
            try:
                message = self.pipe.recv()
            except (EOFError, OSError):
                break
            if message["kind"] == "end":
                last = message
            else:
                hub.post(self.board, message)
        self.process.join()
        if last is None:
            code = self.process.exitcode
            line = (
                f"its process was ended by the system (status {code}), perhaps for want of memory"
            )
            last = {"status": "failed", "line": line}
        if hub.loop is not None:
            try:
                hub.loop.call_soon_threadsafe(self.ended, last)
            except RuntimeError:
                return
