"""What a figure depends on besides the code: processor, instructions, threads, precision, kernel."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import torch

from impasto.jobs.run import prepare_run
from impasto.model.precision import precision_name
from impasto.optimization.dispatch import FollowedOperations
from impasto.settings.settings import gather
from impasto_profiling.bench.machine import processor_name
from impasto_profiling.bench.record import Conditions
from impasto_profiling.pairs import DEMO

LIMITS = (
    "ATEN_CPU_CAPABILITY",
    "ONEDNN_MAX_CPU_ISA",
    "DNNL_MAX_CPU_ISA",
    "MKL_ENABLE_INSTRUCTIONS",
)
"""Variables that make a processor do without some of its instructions."""
KERNELS = {"winograd": "Winograd", "convolution": "direct"}
"""Words in the names of operations that convolve, and what they are called; the first one counts."""


def conditions() -> Conditions:
    """Those of the default settings in this process."""
    precision, kernel = convolutions()
    return Conditions(
        processor=processor_name(),
        instructions=instructions(),
        threads=torch.get_num_threads(),
        precision=precision,
        kernel=kernel,
    )


def instructions() -> str:
    """The instructions that are used: ``AVX2``, ``AVX512, bf16``; and what kept others from being used."""
    names = [torch.backends.cpu.get_cpu_capability()]
    able = torch.cpu.get_capabilities()
    names += [name.split("_")[1] for name in ("avx512_bf16", "amx_bf16") if able.get(name)][:1]
    limits = [f"{name}={os.environ[name]}" for name in LIMITS if os.environ.get(name)]
    return ", ".join(names) + (f" by {' '.join(limits)}" if limits else "")


def convolutions() -> tuple[str, str]:
    """Precision and kernels of the default network's convolutions, by what it calls when it runs."""
    content, style = DEMO[0]
    given = {"content": content, "style": style, "size": 64, "scales": "single"}
    run = prepare_run(gather(given, "default", None))
    with torch.no_grad(), Kernels() as kernels:
        run.objective.features(torch.zeros(1, 3, 32, 32, device=run.device))
    return precision_name(run.precision), " and ".join(sorted(kernels.found))


class Kernels(FollowedOperations):  # type: ignore[no-untyped-call]
    """Collects the kinds of convolutions that are called inside it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def done(self, operation: Any, given: Sequence[Any], result: Any) -> None:
        """Note an operation if it convolves."""
        kinds = [kind for word, kind in KERNELS.items() if word in str(operation)]
        self.found.update(kinds[:1])
