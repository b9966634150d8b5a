"""The process that paints one run of the studio.

A process, not a thread: a run that the system kills for its memory, or a library that crashes, must not take
the page, the queue and the other pictures with it; the page answers while the run holds Python's lock; what a
run has loaded is gone with it; and a signal ends it as Ctrl-C ends ``impasto run``, with its picture and
its checkpoint. It is steered over a pipe. Should the studio be gone, the pipe ends, and so does the run.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import impasto
from impasto_plugins.studio import link


class Notes(logging.Handler):
    """Sends what the engine has to say."""

    def __init__(self, send: Callable[[Mapping[str, Any]], None]) -> None:
        super().__init__()
        self.sent = send

    def emit(self, record: logging.LogRecord) -> None:
        self.sent({"kind": "note", "line": record.getMessage()})


def paint(pipe: Connection, job: Mapping[str, Any], folder: str) -> None:
    """Do a job of the studio, and say how it ended.

    Args:
        pipe: to the studio.
        job: ``what`` is run, rerun or resume, and ``with`` has its arguments.
        folder: of the run, which is the working folder meanwhile: names of files that slipped through
            would be in it.
    """
    # Ctrl-C in the terminal is the studio's affair, which then says what its runs do.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    os.chdir(folder)
    sending = threading.Lock()

    def send(message: Mapping[str, Any]) -> None:
        with sending:
            try:
                pipe.send(message)
            except (OSError, ValueError):
                # The studio is gone; the thread that reads ends the run.
                return

    listener = Listener(pipe)
    link.send, link.take = send, listener.take
    logger = logging.getLogger("impasto")
    logger.handlers, logger.propagate = [Notes(send)], False
    logger.setLevel(logging.INFO)
    listener.start()
    send({"kind": "end", **done(job)})
    listener.over = True


def done(job: Mapping[str, Any]) -> dict[str, Any]:
    """Do a job; how it ended."""
    try:
        result = WHAT[job["what"]](**job["with"])
    except impasto.Interrupted as error:
        return {"status": "interrupted", "line": str(error), "steps": error.result.steps}
    except KeyboardInterrupt as error:
        return {"status": "interrupted", "line": str(error) or "interrupted"}
    except impasto.RunFailed as error:
        return {"status": "failed", "line": str(error), "steps": error.result.steps}
    except impasto.ImpastoError as error:
        return {"status": "failed", "line": str(error)}
    except Exception as error:
        line = " ".join(f"{type(error).__name__}: {error}".split())
        return {"status": "failed", "line": f"bug in Impasto, please report it: {line}"}
    return {
        "status": "done",
        "stopped": result.stopped,
        "steps": result.steps,
        "seconds": round(result.seconds, 1),
        "size": list(result.picture.size),
    }


def watched(settings: impasto.Settings) -> impasto.Settings:
    """The settings with the page among the callbacks."""
    return settings.observed_by("page")


def rerun(**given: Any) -> impasto.Result:
    """Repeat the run of a picture."""
    return impasto.rerun(**given, watched=watched)


def resume(**given: Any) -> impasto.Result:
    """Go on with the run of a checkpoint."""
    return impasto.resume(**given, watched=watched)


WHAT: Mapping[str, Callable[..., impasto.Result]] = {
    "run": impasto.run,
    "rerun": rerun,
    "resume": resume,
}


class Listener:
    """Reads commands in a thread, and passes them to whoever takes them."""

    def __init__(self, pipe: Connection) -> None:
        self.pipe = pipe
        self.taken: Callable[[link.Message], None] | None = None
        self.early: list[link.Message] = []
        self.over = False

    def start(self) -> None:
        """Begin to read."""
        threading.Thread(target=self.listen, name="studio-commands", daemon=True).start()

    def take(self, command: Callable[[link.Message], None]) -> None:
        """Say who takes commands; those that came before are passed on now."""
        self.taken = command
        while self.early:
            command(self.early.pop(0))

    def listen(self) -> None:
        """Pass commands on until the studio is gone, which ends the run."""
        while True:
            try:
                message = self.pipe.recv()
            except (EOFError, OSError):
                break
            if message["do"] == "quit":
                break
            if self.taken is None:
                self.early.append(message)
            else:
                self.taken(message)
        if not self.over:
            os.kill(os.getpid(), signal.SIGTERM)


def output_of(folder: Path) -> Path:
    """Where the picture of a run lies."""
    return folder / "result.png"
