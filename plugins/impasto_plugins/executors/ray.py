"""Jobs on the machines of a Ray cluster; without an address, of one that is started on this machine alone."""

from __future__ import annotations

import logging
import os
import secrets
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field

import impasto
from impasto.plugin import require
from impasto_plugins.executors.processes import PASSIVE, PATIENCE
from impasto_plugins.executors.ray_cluster import Cluster, check_reachable

logger = logging.getLogger("impasto")


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
    ) -> None:
        require("ray", "ray", "executor 'ray'")
        check_reachable(address)
        self.address, self.cpus, self.gpus, self.workers = address, cpus, gpus, workers
        self.cluster: Cluster | None = None
        self.seats: list[Seat] = []

    def run(
        self, tasks: Sequence[impasto.Task], began: Callable[[impasto.Task], None]
    ) -> Generator[tuple[impasto.Task, impasto.Ended], None, None]:
        self._have_seats(tasks)
        waiting = deque(tasks)
        try:
            while waiting or any(seat.task for seat in self.seats):
                for seat in self.seats:
                    if waiting and seat.is_ready:
                        began(seat.begin(waiting.popleft()))
                seat = first_that_answers(self.seats)
                if seat.task is None:
                    seat.arrive()
                else:
                    yield seat.end()
        finally:
            stop([seat for seat in self.seats if seat.task is not None])

    def close(self) -> None:
        """End the workers, and the cluster if it was started here."""
        if self.cluster is not None:
            self.cluster.leave()
        for seat in self.seats:
            # Of one that had not arrived yet when the others were done.
            seat.sign.unlink(missing_ok=True)
        self.cluster, self.seats = None, []

    def _have_seats(self, tasks: Sequence[impasto.Task]) -> None:
        # Those of a cluster that is started here share out the threads that there are.
        wanted = self.workers
        if not self.address:
            wanted = wanted or max(1, torch.get_num_threads() // self.cpus)
        if self.cluster is None:
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
            self.seats.append(Seat(tasks[0].folder, self.cpus, self.gpus))


class Painter:
    """A worker, in its process on some machine of the cluster."""

    def __init__(self, working_folder: str, threads: int) -> None:
        self.working_folder, self.threads = working_folder, threads
        self.stopping = StopWhenAsked()
        self.worker = impasto.Worker([self.stopping])

    def arrive(self, sign: str) -> str:
        """Say why it cannot paint; empty if it can: it has the files that the jobs read and write.

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
            return impasto.Ended("killed", "it was stopped")

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

    def __init__(self, folder: str, cpus: int, gpus: float) -> None:
        import ray

        variables = {**PASSIVE, "OMP_NUM_THREADS": str(cpus)}
        if not gpus:
            variables["CUDA_VISIBLE_DEVICES"] = ""
        # Ray starts a worker anew that died, on another machine if need be, and asks again what asks for
        # nothing but an answer.
        remote: Any = ray.remote
        made = remote(
            num_cpus=cpus, num_gpus=gpus, max_restarts=-1, max_task_retries=-1,
            concurrency_groups={"besides": 1}, runtime_env={"env_vars": variables},
        )(Painter)  # fmt: skip
        self.actor = made.remote(os.getcwd(), cpus)
        self.sign = Path(folder, ".impasto", f"seen-{secrets.token_hex(8)}")
        self.task: impasto.Task | None = None
        self.is_ready = False
        self._ask()

    def _ask(self) -> None:
        self.sign.touch()
        self.answer: Any = self.actor.arrive.remote(os.path.abspath(self.sign))

    def arrive(self) -> None:
        """Take note that it is there.

        Raises:
            SettingsError: it cannot paint.
        """
        import ray

        try:
            trouble = ray.get(self.answer)
        except ray.exceptions.RayError as error:
            trouble = first_line(error)
        self.sign.unlink(missing_ok=True)
        self.answer, self.is_ready = None, not trouble
        if trouble:
            raise impasto.SettingsError(f"executor 'ray': a worker cannot paint: {trouble}")

    def begin(self, task: impasto.Task) -> impasto.Task:
        """Give it a task."""
        # Not asked again where the worker dies: the batch does that, and counts how often.
        self.answer = self.actor.do.options(max_task_retries=0).remote(task)
        self.task, self.is_ready = task, False
        return task

    def end(self) -> tuple[impasto.Task, impasto.Ended]:
        """What became of its task, once there is an answer, or the worker is gone."""
        import ray

        task, self.task = self.task, None
        assert task is not None
        try:
            ended: impasto.Ended = ray.get(self.answer)
        except ray.exceptions.RayError as error:
            self._ask()
            return task, impasto.Ended("killed", f"its worker was killed: {first_line(error)}")
        self.answer, self.is_ready = None, True
        return task, ended


def first_that_answers(seats: Sequence[Seat]) -> Seat:
    """Wait for a worker that has an answer, or is gone."""
    import ray

    asked = [seat for seat in seats if seat.answer is not None]
    (first, *_), _ = ray.wait([seat.answer for seat in asked])
    return next(seat for seat in asked if seat.answer == first)


def stop(seats: Sequence[Seat]) -> None:
    """Stop workers, and kill those for which that takes too long."""
    if not seats:
        return
    import ray

    for seat in seats:
        seat.actor.stop.options(concurrency_group="besides").remote()
    _, busy = ray.wait([seat.answer for seat in seats], num_returns=len(seats), timeout=PATIENCE)
    for seat in seats:
        if seat.answer in busy:
            ray.kill(seat.actor)


def first_line(error: Exception) -> str:
    """The first line of an error of Ray's, which may have many."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


@impasto.hookimpl
def impasto_executors() -> Iterable[impasto.Offer]:
    return [impasto.Offer("ray", Ray)]
