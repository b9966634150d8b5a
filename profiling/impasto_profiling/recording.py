"""Records a stage: torch's profiler by its schedule, and a plain clock around every step."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch

from impasto.errors import OutputError
from impasto.model import gpu
from impasto.model.gpu import synchronize
from impasto.optimization.stages import Stage
from impasto_profiling.standing import Holder
from impasto_profiling.trace import SUFFIX


@dataclass(frozen=True)
class Plan:
    """When the profiler records, by steps, anew in each stage."""

    wait: int
    """Steps that are left alone first, and between repeats."""
    warmup: int
    """Steps that are recorded and thrown away: the first ones cost more."""
    active: int
    """Steps that are recorded."""
    repeat: int
    """How many times."""
    profile_memory: bool = False
    """Record allocations, too."""
    with_stack: bool = False
    """Record the Python functions that called, too."""

    @property
    def first(self) -> int:
        """Steps before the first that is recorded."""
        return self.wait + self.warmup


@dataclass
class Recording:
    """One stage being recorded; its traces lie in a folder as files."""

    stage: Stage
    plan: Plan
    folder: Path
    device: torch.device
    traces: list[Path] = field(default_factory=list)
    """One file for each repeat that was reached."""
    standing: list[Holder] = field(default_factory=list)
    """What was in memory before the first step."""
    clock: list[float] = field(default_factory=list)
    """Seconds of each step by a plain clock, the hooks of all observers included."""

    def start(self) -> None:
        """Begin before the first step of the stage."""
        plan = self.plan
        on_gpu = [torch.profiler.ProfilerActivity.CUDA] if gpu.is_cuda(self.device) else []
        with _quiet():
            self.profiler = torch.profiler.profile(
                activities=[torch.profiler.ProfilerActivity.CPU, *on_gpu],
                schedule=torch.profiler.schedule(
                    wait=plan.wait, warmup=plan.warmup, active=plan.active, repeat=plan.repeat
                ),
                on_trace_ready=self.keep,
                record_shapes=True,
                profile_memory=plan.profile_memory,
                with_stack=plan.with_stack,
            )
            self.profiler.start()
        self.before = time.perf_counter()

    def step(self) -> None:
        """Say that a step is over; what was begun on a GPU is waited for."""
        synchronize(self.device)
        self.clock.append(time.perf_counter() - self.before)
        with _quiet():
            self.profiler.step()
        self.before = time.perf_counter()

    def stop(self) -> None:
        """End after the last step; a repeat that was begun is kept as far as it came."""
        self.profiler.stop()

    def keep(self, profiler: torch.profiler.profile) -> None:
        """Write a trace under a name by which TensorBoard knows it as one of this stage's.

        Raises:
            OutputError: it cannot be written.
        """
        size = f"{self.stage.width}x{self.stage.height}"
        path = self.folder / f"stage_{self.stage.number}_{size}.{time.time_ns()}{SUFFIX}"
        profiler.export_chrome_trace(str(path))
        if not path.is_file():
            # Of a disk that is full the profiler says nothing, and leaves the part that it could write.
            path.with_name(f"{path.name}.tmp").unlink(missing_ok=True)
            raise OutputError(f"the trace '{path}' cannot be written; the disk may be full")
        self.traces.append(path)


@contextmanager
def _quiet() -> Iterator[None]:
    # The profiler warns of schedules without warm-up, and that each repeat stands by itself: both are
    # what was asked for.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="(?s).*(warmup|clears events)")
        yield
