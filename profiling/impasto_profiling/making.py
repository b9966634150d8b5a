"""Makes the report of a run from what was recorded."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

import impasto
from impasto.model import gpu
from impasto.model.precision import precision_name
from impasto.optimization.state import Run
from impasto_plugins.callbacks.statistics import peak_memory
from impasto_profiling.bench.machine import commit, processor
from impasto_profiling.ceiling import CACHED, copy_rate, matrix_rate
from impasto_profiling.command import command_of
from impasto_profiling.convolutions import convolutions_of
from impasto_profiling.cost import measured_cost
from impasto_profiling.findings import findings
from impasto_profiling.reading import Machine, stage_report
from impasto_profiling.recording import Recording
from impasto_profiling.report import Report, StageReport

logger = logging.getLogger("impasto")


def make_report(run: Run, recordings: Sequence[Recording], folder: Path) -> Report:
    """The report of a run that is over.

    Args:
        run: as it is now.
        recordings: of its stages; those without a trace are left out, with a warning.
        folder: of the profile.
    """
    most = peak_memory(run.device)
    compiled = run.prepared.compiled
    rate, bandwidth, cache = rates(run)
    machine = Machine(run.precision, rate, compiled, measured_cost(recordings[0].plan))
    stages = stage_reports(run, recordings, machine)
    layers = [layer for stage in stages for layer in stage.layers]
    ceiling = max([rate, *(one.done_rate for one in layers)])
    steepest = max([cache, *(one.done_rate / one.intensity for one in layers)])
    stages = [held_against(stage, ceiling) for stage in stages]
    return Report(
        name=folder.name,
        device=device_name(run.device),
        precision=precision_name(run.precision),
        compiled=compiled,
        extractor=str(run.settings.extractor),
        losses=[str(loss) for loss in run.settings.loss],
        optimizer=str(run.settings.optimizer),
        ceiling=ceiling,
        bandwidth=bandwidth,
        peak_memory=most,
        stages=stages,
        findings=findings(stages, ceiling),
        versions=made_with(),
        threads=torch.get_num_threads(),
        machine=processor() if run.device.type == "cpu" else device_name(run.device),
        command=command_of(run.settings, recordings[0].plan, folder),
        cache_bandwidth=steepest,
        raised=ceiling > rate,
        content=str(run.settings.content),
        styles=[str(style) for style in run.settings.style],
    )


def rates(run: Run) -> tuple[float, float, float]:
    """The machine's rates: a matrix product, GFLOP/s; a copy in memory and one in caches, GB/s."""
    device = run.device
    return matrix_rate(run.precision, device), copy_rate(device), copy_rate(device, CACHED)


def held_against(stage: StageReport, ceiling: float) -> StageReport:
    """The stage with its layers' rates by this ceiling, GFLOP/s."""
    layers = [
        replace(one, of_ceiling=one.done_rate / ceiling if ceiling else 0.0) for one in stage.layers
    ]
    return replace(stage, layers=layers)


def made_with() -> dict[str, str]:
    """Versions, and the commit where the engine runs from a checkout."""
    found = {"impasto": impasto.__version__, "torch": torch.__version__, "commit": commit()}
    return {name: version for name, version in found.items() if version}


def stage_reports(run: Run, recordings: Sequence[Recording], machine: Machine) -> list[StageReport]:
    """Reports of the stages that were recorded."""
    reports = []
    for recording in recordings:
        stage = recording.stage
        if not recording.traces:
            logger.warning(
                "stage %d is not in the profile: it ended before a step was recorded", stage.number
            )
            continue
        convolutions = convolutions_of(run.objective.extractor, stage.height, stage.width)
        reports.append(stage_report(recording, convolutions, machine))
    return reports


def device_name(device: torch.device) -> str:
    """What computed, by name where it has one."""
    return gpu.card(device) or str(device)
