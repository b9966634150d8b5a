"""Commands in processes of their own, forked from one that has imported what a run needs.

A new interpreter takes three seconds to import torch; a fork of a ready one begins at once. For what has
to end its process, limits it, or gets a signal. Where the import itself matters, start an interpreter.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread

from helpers import Outcome
from impasto.builtin import BUILT_IN

COMMANDS_USED = [f"impasto.command.{name}" for name in ("main", "run", "resume")]
SECONDS = 300
"""Of the clock: a command that takes longer hangs, on a busy machine, too."""


@dataclass
class Running:
    """A command under way."""

    process: BaseProcess
    readers: list[Thread]
    texts: dict[str, str]

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def outcome(self) -> Outcome:
        """Wait until it ends."""
        self.process.join(SECONDS)
        assert self.process.exitcode is not None, "it hangs"
        for reader in self.readers:
            reader.join(SECONDS)
        return Outcome(self.process.exitcode, self.texts["out"], self.texts["err"])


@contextmanager
def started(*arguments: object, folder: Path | None = None) -> Iterator[Running]:
    """``impasto ARGUMENTS`` in a folder, in a new process, which is gone at the end."""
    context = multiprocessing.get_context("forkserver")
    # torch imports torch._dynamo at the first step of an optimizer.
    context.set_forkserver_preload(["impasto.api.run", "torch._dynamo", *COMMANDS_USED, *BUILT_IN])
    # Pipes, not files: a process may be forbidden to write these.
    pipes = {name: context.Pipe(duplex=False) for name in ("out", "err")}
    words = [str(argument) for argument in arguments]
    process = context.Process(
        target=be_the_command,
        args=(words, folder, dict(os.environ), pipes["out"][1], pipes["err"][1]),
    )
    process.start()
    texts: dict[str, str] = {}
    readers = [
        Thread(target=read_all, args=(pipe, texts, name)) for name, (pipe, _) in pipes.items()
    ]
    for (_, writing), reader in zip(pipes.values(), readers, strict=True):
        writing.close()
        reader.start()
    try:
        yield Running(process, readers, texts)
    finally:
        process.kill()
        process.join()


def run_apart(*arguments: object, folder: Path | None = None) -> Outcome:
    """Run ``impasto ARGUMENTS`` in a process of its own to its end."""
    with started(*arguments, folder=folder) as running:
        return running.outcome()


def read_all(pipe: Connection, texts: dict[str, str], name: str) -> None:
    with open(os.dup(pipe.fileno()), encoding="utf-8", errors="backslashreplace") as file:
        texts[name] = file.read()


def be_the_command(
    words: list[str],
    folder: Path | None,
    environment: Mapping[str, str],
    out: Connection,
    err: Connection,
) -> None:
    """Run the command line, in the new process."""
    # The server that forks has the environment of the test that was the first to need it.
    os.environ.clear()
    os.environ.update(environment)
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    out.close()
    err.close()
    sys.stdin = open(os.devnull)  # noqa: SIM115
    sys.stdout = open(1, "w", buffering=1, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(  # noqa: SIM115
        2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False
    )
    if folder is not None:
        os.chdir(folder)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["impasto", *words]
    from impasto.command.main import main

    main()
