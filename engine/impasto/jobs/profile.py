"""A run that says where its time goes, by the callbacks ``tensorboard`` and ``profile``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from impasto.images.reading import Photo
from impasto.jobs.run import run_settings
from impasto.optimization.result import Result, RunFailed
from impasto.settings.settings import Settings

if TYPE_CHECKING:
    from impasto_profiling.report import Report


def profile_settings(
    settings: Settings,
    folder: Path,
    options: dict[str, object],
    content: Photo | None = None,
    styles: Sequence[Photo | None] = (),
    observers: Sequence[object] = (),
    documents: Sequence[str] = (),
) -> tuple[Result, Report]:
    """Paint, and write the log of TensorBoard, the report and its plots into a folder.

    Args:
        settings: what the user asked for.
        folder: of the log.
        options: of the callback ``profile``: which steps are recorded, and what of them.
        content: the content picture if it is in memory already; see :func:`impasto.jobs.run.run_settings`.
        styles: the style pictures that are in memory already.
        observers: objects with life-cycle hooks.
        documents: files that the settings come from.

    Raises:
        SettingsError: packages of the extra ``profiling`` are not installed, or no step would be recorded.
        RunFailed: the run failed, or its report could not be written.
        ImpastoError, Interrupted: see :func:`impasto.run`.
    """
    # The profiler's libraries print about GPUs that do not exist and memory taken before they began.
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    settings = settings.without("profile").observed_by("tensorboard", folder=str(folder))
    settings = settings.observed_by("profile", folder=str(folder), **options)
    result = run_settings(settings, content, styles, observers, documents)
    from impasto_profiling.report import FILE, read_report

    if not (folder / FILE).is_file():
        # Its callback has said why.
        where = "in the error's result" if settings.output is None else f"in '{settings.output}'"
        raise RunFailed(f"no profile was made; the picture is {where}", result)
    return result, read_report(folder)
