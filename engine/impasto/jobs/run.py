"""One run as its settings say: checked, prepared, painted, and saved."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from impasto.builtin import build_host
from impasto.errors import SettingsError
from impasto.files.outputs import Outputs
from impasto.host.host import GIVEN, Host
from impasto.images.reading import Photo
from impasto.images.writing import SUFFIXES
from impasto.jobs.checkpoints import Checkpoints
from impasto.jobs.saving import paint_and_save
from impasto.optimization.prepare import prepare
from impasto.optimization.result import Result
from impasto.optimization.shared import Shared
from impasto.optimization.state import Run
from impasto.settings.input_files import files_of
from impasto.settings.settings import Settings
from impasto.storage.checkpoint import locked


def run_settings(
    settings: Settings,
    content: Photo | None = None,
    styles: Sequence[Photo | None] = (),
    observers: Sequence[object] = (),
    documents: Sequence[str] = (),
    shared: Shared | None = None,
) -> Result:
    """Do one run as its settings say, and write its output if one is named.

    Args:
        settings: what the user asked for.
        content: the content picture if it is in memory already.
        styles: the style pictures that are in memory already, None for the others; or nothing.
        observers: objects with life-cycle hooks, for this run.
        documents: files that the settings come from; like all inputs, no output may be one of them.
        shared: what runs of this process have from one another; None shares nothing.

    Raises:
        ImpastoError, RunFailed, Interrupted: see :func:`impasto.run`.
    """
    outputs = register(settings, documents)
    if settings.checkpoint is None:
        return paint_and_save(prepare_run(settings, content, styles, observers, outputs, shared))
    if content or any(styles):
        raise SettingsError("a checkpoint needs pictures in files, not in memory")
    checkpoints = Checkpoints(Path(settings.checkpoint), settings.checkpoint_every)
    with locked(checkpoints.folder):
        if not settings.force:
            checkpoints.refuse_to_replace()
        checkpoints.claim(outputs)
        run = prepare_run(settings, content, styles, observers, outputs, shared)
        return paint_and_save(run, checkpoints)


def register(
    settings: Settings, documents: Sequence[str] = (), folder: str = "", own: Path | None = None
) -> Outputs:
    """The register of a run's inputs and outputs, its own output claimed.

    Args:
        settings: what the user asked for.
        documents: files that the settings come from.
        folder: relative names in the settings count from there; empty is the working folder.
        own: the checkpoint's folder of a run that is resumed, and may write its files again.

    Raises:
        OutputError: the output cannot be written, or must not be.
    """
    outputs = Outputs(force=settings.force, folder=folder)
    if own is not None:
        outputs.remember_in(own)
    outputs.reads([*files_of(settings), *(os.path.abspath(name) for name in documents)])
    if settings.output is not None:
        outputs.claim(settings.output, suffixes=SUFFIXES)
    return outputs


def prepare_run(
    settings: Settings,
    content: Photo | None = None,
    styles: Sequence[Photo | None] = (),
    observers: Sequence[object] = (),
    outputs: Outputs | None = None,
    shared: Shared | None = None,
) -> Run:
    """A run that is ready, with the plugins that its settings name; see :func:`run_settings`.

    Args:
        settings: what the user asked for.
        content: the content picture if it is in memory already.
        styles: the style pictures that are in memory already, None for the others; or nothing.
        observers: objects with life-cycle hooks, for this run.
        outputs: the register of what it reads and writes; None starts one.
        shared: what runs of this process have from one another; None shares nothing.

    Raises:
        ImpastoError: a picture, plugin, option or device that cannot be used.
    """
    host = observed_host(settings.load, settings.plugin, observers)
    run = prepare(settings, host, content, styles, shared=shared)
    if outputs is not None:
        run.outputs = outputs
    run.outputs.reads(module_files(settings.plugin))
    return run


def observed_host(load: str, plugins: Sequence[str], observers: Sequence[object]) -> Host:
    """A host with the plugins of a run and the caller's observers.

    Args:
        load: see :func:`impasto.builtin.build_host`.
        plugins: names of modules and files to load.
        observers: objects with life-cycle hooks, for this run.

    Raises:
        PluginError: a plugin that cannot be loaded.
    """
    host = build_host(load, plugins)
    for number, observer in enumerate(observers):
        host.register(observer, f"observer-{number}", GIVEN)
    return host


def module_files(plugins: Sequence[str]) -> list[str]:
    """The files of plugins that were loaded as modules."""
    files = [getattr(sys.modules.get(name), "__file__", None) for name in plugins]
    return [os.path.abspath(file) for file in files if file is not None]
