"""Makes the report of a run from what was recorded."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import torch

import impasto
from impasto.model.precision import precision_name
from impasto.optimization.state import Run
from impasto_plugins.callbacks.statistics import peak_memory
from impasto_profiling.ceiling import copy_rate, matrix_rate
from impasto_profiling.convolutions import convolutions_of
from impasto_profiling.findings import findings
from impasto_profiling.reading import stage_report
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
    ceiling = matrix_rate(run.precision, run.device)
    compiled = run.prepared.compiled
    stages = stage_reports(run, recordings, ceiling, compiled)
    return Report(
        name=folder.name,
        device=device_name(run.device),
        precision=precision_name(run.precision),
        compiled=compiled,
        extractor=str(run.settings.extractor),
        losses=[str(loss) for loss in run.settings.loss],
        optimizer=str(run.settings.optimizer),
        ceiling=ceiling,
        bandwidth=copy_rate(run.device),
        peak_memory=most,
        stages=stages,
        findings=findings(stages, ceiling),
        versions={"impasto": impasto.__version__, "torch": torch.__version__},
        threads=torch.get_num_threads(),
    )


def stage_reports(
    run: Run, recordings: Sequence[Recording], ceiling: float, compiled: bool
) -> list[StageReport]:
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
        report = stage_report(recording, convolutions, run.precision, ceiling, compiled)
        reports.append(report)
    return reports


def device_name(device: torch.device) -> str:
    """What computed, by name where it has one."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
