"""One picture painted by several processes: they are started, connected, and kept in step.

Each has all of the run but the features: the first one talks and writes, and says when to stop. torchrun
starts them with its variables RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT, and so does ``processes`` here.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import IO

import torch
from torch import distributed

from impasto.errors import ImpastoError, SettingsError, visible
from impasto.host.offer import hookimpl
from impasto.model.ranks import Ranks
from impasto.optimization.state import Run
from impasto.optimization.tiling import refuse
from impasto.settings.settings import Settings

START = timedelta(minutes=3)
"""Time that processes have to start."""
END = 20.0
"""Seconds that the others have to end after the first one did."""
WHOLE = 2**20
"""Side of a tile that no picture exceeds: each process holds the features of its rows."""


class InStep:
    """Observer of a run on each rank: spreads the work, and stops all where the first one stops."""

    def __init__(self, ranks: Ranks) -> None:
        self.ranks = ranks

    @hookimpl(tryfirst=True)
    def impasto_before_run(self, run: Run) -> None:
        refuse(run.settings, run.objective)
        run.objective.ranks = self.ranks
        if run.objective.tile is None:
            run.objective.tile = WHOLE

    @hookimpl(trylast=True)
    def impasto_after_step(self, run: Run) -> None:
        # Of a process that is gone, the next evaluation says more than a hook that fails.
        with suppress(ImpastoError):
            if reason := self.ranks.agree(run.stopping):
                run.stop(reason)


def of_rank(settings: Settings, ranks: Ranks | None) -> Settings:
    """The settings of a rank: only the first one writes, and has callbacks."""
    if ranks is None or ranks.is_first:
        return settings
    return replace(settings, output=None, checkpoint=None, callback=())


@contextmanager
def connected(processes: int, command: Sequence[str], device: str) -> Iterator[Ranks | None]:
    """The processes of a run, connected; None if there is one alone.

    Args:
        processes: to start, this one included; ignored where torchrun started this one.
        command: arguments that start another one like this.
        device: setting of the run; the processes share one processor, or take a GPU each.

    Raises:
        SettingsError: torchrun was told a number of its own.
        ImpastoError: they cannot be started, or not reach each other.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ:
        rank, count = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        if processes not in (1, count):
            raise SettingsError(
                f"torchrun started {count} processes, and processes says {processes}"
            )
        if rank:
            be_quiet()
        with joined(rank, count, device) as ranks:
            yield ranks
        return
    if processes == 1:
        yield None
        return
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    where |= {"WORLD_SIZE": str(processes), "GLOO_SOCKET_IFNAME": loopback()}
    with ending([start(command, rank, where) for rank in range(1, processes)]) as others:
        os.environ.update(where)
        try:
            with joined(0, processes, device) as ranks:
                yield ranks
        except ConnectionError as error:
            raise ImpastoError(f"{error}{said_by(others)}") from None


@contextmanager
def joined(rank: int, count: int, device: str) -> Iterator[Ranks]:
    """Connect with the others.

    Raises:
        ConnectionError: they cannot be reached.
    """
    os.environ["RANK"] = str(rank)
    cuda = device.startswith("cuda") or (device == "auto" and torch.cuda.is_available())
    if cuda:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", rank)))
    try:
        distributed.init_process_group("nccl" if cuda else "gloo", timeout=START)
    except (RuntimeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise ConnectionError(
            f"the {count} processes of the run did not connect: {reason}"
        ) from None
    try:
        yield Ranks(rank, count)
    finally:
        with suppress(RuntimeError):
            distributed.destroy_process_group()


def be_quiet() -> None:
    """Say nothing, and leave it to the first process to end the run."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    nothing = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nothing, stream)
    os.close(nothing)


def start(command: Sequence[str], rank: int, where: Mapping[str, str]) -> Other:
    """Start one more process, which says in a file of its own why it cannot go on.

    Args:
        command: arguments of ``impasto``.
        rank: of the process.
        where: variables by which the processes find each other.
    """
    log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "impasto", *command],
        env={**os.environ, **where, "RANK": str(rank)},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, start_new_session=True,
    )  # fmt: skip
    return process, log


Other = tuple["subprocess.Popen[bytes]", IO[str]]
"""Another process, and what it said before it was connected."""


@contextmanager
def ending(others: list[Other]) -> Iterator[list[Other]]:
    """See to it that no process is left."""
    failed = True
    try:
        yield others
        failed = False
    finally:
        for process, log in others:
            with suppress(subprocess.TimeoutExpired):
                process.wait(0 if failed else END)
            process.kill()
            process.wait()
            log.close()


def said_by(others: Sequence[Other]) -> str:
    """The last line of the first process that ended by itself."""
    for process, log in others:
        if process.poll():
            log.seek(0)
            lines = log.read().strip().splitlines()
            return f"; one of them said: {visible(lines[-1])}" if lines else ""
    return ""


def free_port() -> int:
    """A port of this machine that nobody has."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def loopback() -> str:
    """The name of the interface by which a machine reaches itself."""
    names = [name for _, name in socket.if_nameindex()]
    return next((name for name in names if name.startswith("lo")), names[0])
