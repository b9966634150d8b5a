"""Jobs in several processes of this machine, which share out its threads."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Annotated

import torch
from pydantic import Field

import impasto

PATIENCE = 30.0
"""Seconds in which a worker that was told to stop has to; it is killed after that."""

PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE"}
"""Threads that wait for others then sleep; else they would take the processor from other workers."""


class Processes(impasto.Executor):
    """In several processes of this machine; one that is killed takes none of the others with it."""

    same_machine = True

    def __init__(
        self,
        workers: Annotated[int, Field(ge=1, description="processes at once")] = 2,
        threads: Annotated[
            int | None, Field(ge=1, description="of each worker; none shares out what there is")
        ] = None,
    ) -> None:
        self.workers = workers
        self.threads = threads or max(1, torch.get_num_threads() // workers)

    def run(
        self, tasks: Sequence[impasto.Task], began: Callable[[impasto.Task], None]
    ) -> Generator[tuple[impasto.Task, impasto.Ended], None, None]:
        waiting, workers = deque(tasks), list[Process]()
        try:
            while waiting or any(worker.task for worker in workers):
                idle = sum(worker.task is None for worker in workers)
                for _ in range(min(self.workers - len(workers), len(waiting) - idle)):
                    workers.append(Process(self.threads))
                for worker in workers:
                    if worker.task is None and waiting:
                        worker.begin(waiting.popleft())
                        assert worker.task is not None
                        began(worker.task)
                for worker in those_that_answer(workers):
                    task, ended = worker.end()
                    if ended.status == "killed":
                        workers.remove(worker)
                    yield task, ended
        finally:
            for worker in workers:
                worker.ask_to_stop()
            for worker in workers:
                worker.stop()


class Process:
    """A worker in a process of its own, seen from here."""

    def __init__(self, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, far = context.Pipe()
        self.process: BaseProcess = context.Process(target=serve, args=(far, threads))
        with environment(PASSIVE):
            self.process.start()
        far.close()
        self.task: impasto.Task | None = None

    def begin(self, task: impasto.Task) -> None:
        """Give it a task."""
        self.task = task
        # A worker that is gone is noticed when its answer is read.
        with suppress(OSError):
            self.connection.send(task)

    def end(self) -> tuple[impasto.Task, impasto.Ended]:
        """What became of its task, once there is an answer, or the process is gone."""
        task, self.task = self.task, None
        assert task is not None
        try:
            return task, self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            return task, impasto.Ended("killed", f"its worker was killed: {self._how()}")

    def ask_to_stop(self) -> None:
        """Stop it, as Ctrl-C would: a run keeps its checkpoint."""
        with suppress(OSError):
            self.connection.close()
        if self.task is not None and self.process.pid is not None and self.process.is_alive():
            os.kill(self.process.pid, signal.SIGINT)

    def stop(self) -> None:
        """Wait until it has stopped, and kill it where that takes too long."""
        self.process.join(PATIENCE)
        self.process.kill()
        self.process.join()

    def _how(self) -> str:
        code = self.process.exitcode or 0
        return signal.Signals(-code).name if code < 0 else f"exit status {code}"


def those_that_answer(workers: Sequence[Process]) -> list[Process]:
    """Wait for the first workers that have an answer, or are gone."""
    busy = {worker.connection: worker for worker in workers if worker.task is not None}
    return [busy[one] for one in wait(list(busy)) if isinstance(one, Connection)]


@contextmanager
def environment(values: dict[str, str]) -> Iterator[None]:
    """Environment variables for processes that are started meanwhile."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def serve(connection: Connection, threads: int) -> None:
    """Do tasks as they come, in the worker's process, until the connection is closed."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    # Ctrl-C in a terminal comes to all processes of its group; who asked for the workers passes it on.
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    torch.set_num_threads(threads)
    worker = impasto.Worker()
    with suppress(EOFError, OSError, KeyboardInterrupt):
        while True:
            connection.send(worker.do(connection.recv()))


def end_with_parent() -> None:
    """End the process when the one that started it is gone: another may go on with the batch."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


@impasto.hookimpl
def impasto_executors() -> Iterable[impasto.Offer]:
    return [impasto.Offer("processes", Processes)]
