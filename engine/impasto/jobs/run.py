"""One run as its settings say: checked, prepared, painted, and saved."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from impasto.builtin import build_host
from impasto.errors import SettingsError
from impasto.images.reading import Photo
from impasto.images.tensors import check_output
from impasto.jobs.checkpoints import Checkpoints
from impasto.jobs.saving import paint_and_save
from impasto.optimization.prepare import prepare
from impasto.optimization.result import Result
from impasto.optimization.state import Run
from impasto.settings.input_files import picture_files
from impasto.settings.settings import Settings


def run_settings(
    settings: Settings,
    content: Photo | None = None,
    styles: Sequence[Photo | None] = (),
    observers: Sequence[object] = (),
) -> Result:
    """Do one run as its settings say, and write its output if one is named.

    Args:
        settings: what the user asked for.
        content: the content picture if it is in memory already.
        styles: the style pictures that are in memory already, None for the others; or nothing.
        observers: objects with life-cycle hooks, for this run.

    Raises:
        ImpastoError, RunFailed, Interrupted: see :func:`impasto.run`.
    """
    if settings.output is not None:
        check_output(Path(settings.output), settings.force, inputs=picture_files(settings))
    checkpoints = None
    if settings.checkpoint is not None:
        if content or any(styles):
            raise SettingsError("a checkpoint needs pictures in files, not in memory")
        checkpoints = Checkpoints(Path(settings.checkpoint), settings.checkpoint_every)
        if not settings.force:
            checkpoints.refuse_to_replace()
    return paint_and_save(prepare_run(settings, content, styles, observers), checkpoints)


def prepare_run(
    settings: Settings,
    content: Photo | None = None,
    styles: Sequence[Photo | None] = (),
    observers: Sequence[object] = (),
    folder: str = "",
) -> Run:
    """A run that is ready, with the plugins that its settings name; see :func:`run_settings`.

    Args:
        settings: what the user asked for.
        content: the content picture if it is in memory already.
        styles: the style pictures that are in memory already, None for the others; or nothing.
        observers: objects with life-cycle hooks, for this run.
        folder: relative names in the settings count from there; empty is the working folder.

    Raises:
        ImpastoError: a picture, plugin, option or device that cannot be used.
    """
    host = build_host(settings.load, settings.plugin)
    for number, observer in enumerate(observers):
        host.register(observer, f"observer-{number}", "the caller")
    return prepare(settings, host, content, styles, folder)
