"""Jobs on the machines of a Ray cluster; without an address, of one that is started on this machine alone."""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field

import impasto
from impasto.plugin import require
from impasto_plugins.executors.processes import PASSIVE, PATIENCE
from impasto_plugins.executors.ray_cluster import Cluster, check_reachable

logger = logging.getLogger("impasto")

SIGN = "seen-"
"""How files begin by which a worker shows that it sees the folder of results."""

NEWS = 1.0
"""Seconds between looks at what workers made so far that do not see the folders."""


class Ray(impasto.Executor):
    """By workers of a Ray cluster; one that dies is started anew, and its job goes on."""

    def __init__(
        self,
        address: Annotated[
            str, Field(description="of a cluster: auto or HOST:PORT; empty starts one here")
        ] = "",
        cpus: Annotated[int, Field(ge=1, description="threads of each worker")] = 1,
        gpus: Annotated[float, Field(ge=0, description="GPUs of each worker")] = 0.0,
        workers: Annotated[
            int | None, Field(ge=1, description="jobs at once; none takes as many as fit")
        ] = None,
        folder: Annotated[
            Literal["shared", "shipped"] | None,
            Field(description="whether workers see it; none ships files to those that do not"),
        ] = None,
    ) -> None:
        require("ray", "ray", "executor 'ray'")
        check_reachable(address)
        self.address, self.cpus, self.gpus, self.workers = address, cpus, gpus, workers
        self.folder, self.same_machine = folder, not address
        self.cluster: Cluster | None = None
        self.seats: list[Seat] = []
        self.ships = False

    def run(
        self, tasks: Sequence[impasto.Task], began: Callable[[impasto.Task], None]
    ) -> Generator[tuple[impasto.Task, impasto.Ended], None, None]:
        if self.folder == "shipped":
            self._ship(tasks)
        self._have_seats(tasks)
        waiting = deque(tasks)
        try:
            while waiting or any(seat.task for seat in self.seats):
                for seat in self.seats:
                    if waiting and seat.is_ready:
                        began(seat.begin(waiting.popleft()))
                answering = first_that_answers(self.seats)
                for seat in self.seats:
                    seat.follow()
                if answering is None:
                    continue
                if answering.task is not None:
                    yield answering.end()
                elif answering.arrive(self.folder == "shared"):
                    self._ship(tasks)
        finally:
            stop([seat for seat in self.seats if seat.task is not None])

    def close(self) -> None:
        """End the workers, and the cluster if it was started here."""
        leave(self.seats)
        if self.cluster is not None:
            self.cluster.leave()
        for seat in self.seats:
            # Of one that had not arrived yet when the others were done.
            seat.sign.unlink(missing_ok=True)
        self.cluster, self.seats = None, []

    def _ship(self, tasks: Sequence[impasto.Task]) -> None:
        """Say that files go through the object store, or that some cannot."""
        impasto.StagedTask.check(tasks)
        if not self.ships:
            logger.info("executor 'ray': pictures and checkpoints go through Ray's object store")
        self.ships = True

    def _have_seats(self, tasks: Sequence[impasto.Task]) -> None:
        # Those of a cluster that is started here share out the threads that there are.
        wanted = self.workers
        if not self.address:
            wanted = wanted or max(1, torch.get_num_threads() // self.cpus)
        if self.cluster is None:
            for sign in Path(tasks[0].folder, ".impasto").glob(f"{SIGN}*"):
                # Of a call that was killed.
                sign.unlink(missing_ok=True)
            self.cluster = Cluster(self.address, (wanted or 1) * self.cpus, self.gpus)
        room = self.cluster.room(self.cpus, self.gpus)
        if not room:
            where = f"the cluster at '{self.address}'" if self.address else "it"
            raise impasto.SettingsError(
                f"executor 'ray': no machine of {where} has {self.cpus} processors and {self.gpus:g} GPUs"
            )
        if wanted and room < wanted:
            logger.warning("the cluster has room for %d workers, not for %d", room, wanted)
        while len(self.seats) < min(room, wanted or room, len(tasks)):
            ships = self.folder == "shipped"
            self.seats.append(Seat(tasks[0].folder, self.cpus, self.gpus, ships))


STOPPED = impasto.Ended("killed", "it was stopped")


class Painter:
    """A worker, in its process on some machine of the cluster."""

    def __init__(self, working_folder: str, threads: int) -> None:
        self.working_folder, self.threads = working_folder, threads
        self.stopping = StopWhenAsked()
        self.worker = impasto.Worker([self.stopping])
        self.staging: impasto.StagedWorker | None = None

    def arrive(self, sign: str) -> str:
        """Say why it does not see the files that the jobs read and write; empty if it does.

        Args:
            sign: a file that was made for this in the folder of results.
        """
        try:
            os.chdir(self.working_folder)
        except OSError as error:
            return f"the folder '{self.working_folder}': {error.strerror}"
        return "" if os.path.exists(sign) else f"the folder '{Path(sign).parent.parent}' is another"

    def do(self, task: impasto.Task) -> impasto.Ended:
        """Do a task."""
        # It counts for the thread that calls it, which is not that of ``__init__``.
        torch.set_num_threads(self.threads)
        try:
            return self.worker.do(task)
        except KeyboardInterrupt:
            return STOPPED

    def do_staged(self, staged: impasto.StagedTask) -> tuple[impasto.Ended, Mapping[str, bytes]]:
        """Do a task whose files came with it; with the files that it wrote since :meth:`news`."""
        torch.set_num_threads(self.threads)
        if self.staging is None:
            self.staging = impasto.StagedWorker(self.worker)
        try:
            return self.staging.do(staged)
        except KeyboardInterrupt:
            return STOPPED, self.staging.news()

    def news(self) -> Mapping[str, bytes]:
        """Files that changed since it was asked. Called while another thread does a task."""
        return self.staging.news() if self.staging is not None else {}

    def leave(self) -> None:
        """Remove the files of tasks."""
        if self.staging is not None:
            self.staging.leave()

    def stop(self) -> None:
        """Stop after the step: the run keeps its checkpoint. Called while another thread does a task."""
        self.stopping.asked.set()


class StopWhenAsked:
    """Observer of runs that stops them as Ctrl-C would."""

    def __init__(self) -> None:
        self.asked = threading.Event()

    @impasto.hookimpl(trylast=True)
    def impasto_after_step(self) -> None:
        if self.asked.is_set():
            raise KeyboardInterrupt


class Seat:
    """A worker, seen from here."""

    def __init__(self, folder: str, cpus: int, gpus: float, ships: bool) -> None:
        import ray

        variables = {**PASSIVE, "OMP_NUM_THREADS": str(cpus)}
        if not gpus:
            variables["CUDA_VISIBLE_DEVICES"] = ""
        # Ray starts a worker anew that died, on another machine if need be, and asks again what asks for
        # nothing but an answer.
        remote: Any = ray.remote
        made = remote(
            num_cpus=cpus, num_gpus=gpus, max_restarts=-1, max_task_retries=-1,
            concurrency_groups={"besides": 2}, runtime_env={"env_vars": variables},
        )(Painter)  # fmt: skip
        self.actor = made.remote(os.getcwd(), cpus)
        self.sign = Path(folder, ".impasto", f"{SIGN}{secrets.token_hex(8)}")
        self.task: impasto.Task | None = None
        self.ships, self.is_ready = ships, False
        self.news: Any = None
        """Answer with the files that it made so far, where it does not see the folders."""
        self.asked = 0.0
        self._ask()

    def _ask(self) -> None:
        self.sign.touch()
        self.answer: Any = self.actor.arrive.remote(os.path.abspath(self.sign))

    def arrive(self, must_see: bool) -> bool:
        """Take note that it is there; whether it turned out that it does not see the folders.

        Args:
            must_see: refuse one that does not.

        Raises:
            SettingsError: it cannot paint.
        """
        import ray

        trouble, before = "", self.ships
        try:
            trouble = ray.get(self.answer)
            self.ships = before or (bool(trouble) and not must_see)
        except ray.exceptions.RayError as error:
            trouble = first_line(error)
            self.ships = False
        self.sign.unlink(missing_ok=True)
        self.answer, self.is_ready = None, True
        if trouble and not self.ships:
            raise impasto.SettingsError(f"executor 'ray': a worker cannot paint: {trouble}")
        return self.ships and not before

    def begin(self, task: impasto.Task) -> impasto.Task:
        """Give it a task."""
        self.task, self.is_ready = task, False
        # Not asked again where the worker dies: the batch does that, and counts how often.
        if self.ships:
            self.answer = self.actor.do_staged.options(max_task_retries=0).remote(
                impasto.StagedTask.of(task)
            )
        else:
            self.answer = self.actor.do.options(max_task_retries=0).remote(task)
        return task

    def end(self) -> tuple[impasto.Task, impasto.Ended]:
        """What became of its task, once there is an answer, or the worker is gone."""
        import ray

        task, self.task, self.news = self.task, None, None
        assert task is not None
        try:
            given = ray.get(self.answer)
        except ray.exceptions.RayError as error:
            self._ask()
            return task, impasto.Ended("killed", f"its worker was killed: {first_line(error)}")
        self.answer, self.is_ready = None, True
        return task, impasto.StagedTask.take_result(task, *given) if self.ships else given

    def follow(self) -> None:
        """Take the files that it made so far."""
        import ray

        if self.task is None or not self.ships:
            return
        if self.news is not None and ray.wait([self.news], timeout=0)[0]:
            # One that is gone gives none, and is noticed when its answer is read.
            with suppress(ray.exceptions.RayError):
                impasto.StagedTask.take_files(self.task, ray.get(self.news))
            self.news = None
        if self.news is None and time.monotonic() - self.asked >= NEWS:
            self.news, self.asked = self._besides("news"), time.monotonic()

    def stop(self) -> None:
        """Tell it to stop after the step."""
        self._besides("stop")

    def leave(self) -> Any:
        """Have it remove its files."""
        return self._besides("leave")

    def _besides(self, method: str) -> Any:
        """Call a method while it does a task."""
        options = {"concurrency_group": "besides", "max_task_retries": 0}
        return getattr(self.actor, method).options(**options).remote()


def first_that_answers(seats: Sequence[Seat]) -> Seat | None:
    """Wait for a worker that has an answer, or is gone; not for long, where files are to be taken."""
    import ray

    asked = [seat for seat in seats if seat.answer is not None]
    timeout = NEWS if any(seat.ships for seat in asked) else None
    done, _ = ray.wait([seat.answer for seat in asked], timeout=timeout)
    return next((seat for seat in asked if seat.answer in done), None)


def stop(seats: Sequence[Seat]) -> None:
    """Stop workers, and kill those for which that takes too long."""
    if not seats:
        return
    import ray

    for seat in seats:
        seat.stop()
    _, busy = ray.wait([seat.answer for seat in seats], num_returns=len(seats), timeout=PATIENCE)
    for seat in seats:
        if seat.answer in busy:
            ray.kill(seat.actor)
        elif seat.ships:
            seat.end()


def leave(seats: Sequence[Seat]) -> None:
    """Have workers remove their files."""
    asked = [seat.leave() for seat in seats if seat.ships]
    if asked:
        import ray

        ray.wait(asked, num_returns=len(asked), timeout=PATIENCE)


def first_line(error: Exception) -> str:
    """The first line of an error of Ray's, which may have many."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


@impasto.hookimpl
def impasto_executors() -> Iterable[impasto.Offer]:
    return [impasto.Offer("ray", Ray)]
