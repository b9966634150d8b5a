"""Going on with a run from its checkpoint."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from impasto.builtin import build_host
from impasto.errors import CheckpointError
from impasto.host.trust import refuse_unnamed, where_they_are
from impasto.images.tensors import check_output
from impasto.jobs.checkpoints import Checkpoints, identity_of, plugins_of
from impasto.jobs.saving import output_of, paint_and_save
from impasto.optimization.prepare import prepare
from impasto.optimization.provenance import machine_of
from impasto.optimization.result import Result
from impasto.optimization.state import Run
from impasto.settings.input_files import picture_files
from impasto.settings.settings import Settings, validate
from impasto.storage.checkpoint import read_checkpoint

logger = logging.getLogger("impasto")


def resume(
    folder: str | os.PathLike[str],
    watched: Callable[[Settings], Settings] | None = None,
    *,
    plugins: Sequence[str] = (),
    observers: Sequence[object] = (),
) -> Result:
    """Go on with the run of a checkpoint; its output is written, over the picture so far.

    Args:
        folder: the folder that the run had as ``checkpoint``. Relative names in the run's settings
            count from where it was started.
        watched: puts callbacks into the settings, or takes them out.
        plugins: plugins to load. A checkpoint loads none by itself: one from elsewhere must not run
            code.
        observers: objects with life-cycle hooks.

    Raises:
        PluginError: the run had a plugin that is not named.
        CheckpointError: no checkpoint, cut short, damaged, of another version or of other inputs.
        ImpastoError, RunFailed, Interrupted: see :func:`impasto.run`.
    """
    folder = Path(folder).resolve()
    state = read_checkpoint(folder)
    settings, started_in = settings_of(state), folder_of(state)
    refuse_unnamed("the checkpoint", settings.plugin, plugins)
    host = build_host(settings.load, plugins)
    settings = replace(settings, plugin=where_they_are(settings.plugin, plugins, started_in))
    for number, observer in enumerate(observers):
        host.register(observer, f"observer-{number}", "the caller")
    run = prepare(watched(settings) if watched else settings, host, folder=str(started_in))
    if (output := output_of(run)) is not None:
        check_output(output, True, [str(started_in / name) for name in picture_files(settings)])
    refuse_other_inputs(run, state)
    say_differences(run, state)
    run.load_state_dict(state)
    return paint_and_save(run, Checkpoints(folder, settings.checkpoint_every))


def settings_of(state: Mapping[str, Any]) -> Settings:
    """The settings of a checkpoint.

    Raises:
        CheckpointError: they are not there.
        SettingsError: a value that does not fit.
    """
    if not isinstance(state.get("settings"), dict):
        raise CheckpointError("the checkpoint has no settings")
    return validate(state["settings"])


def folder_of(state: Mapping[str, Any]) -> Path:
    """Where the run was started: relative names count from there.

    Raises:
        CheckpointError: it is not there.
    """
    folder = Path(str(state.get("folder")))
    if not os.path.isdir(folder):
        raise CheckpointError(f"the run was started in '{folder}', which is not there any more")
    return folder


def refuse_other_inputs(run: Run, state: Mapping[str, Any]) -> None:
    """Refuse a checkpoint that was made from other pictures or weights; warn of a plugin that changed.

    Raises:
        CheckpointError: with the first input that differs.
    """
    before, plugins = state.get("inputs"), plugins_of(run)
    for name, checksum in identity_of(run).items():
        if isinstance(before, dict) and before.get(name) == checksum:
            continue
        line = f"{name} is not the one that the checkpoint was made with"
        if name not in plugins:
            raise CheckpointError(line)
        # The user may well go on because the plugin is mended now.
        logger.warning("%s: the picture may be another", line)


def say_differences(run: Run, state: Mapping[str, Any]) -> None:
    """Warn of what is not as it was on the machine that wrote the checkpoint."""
    before = state.get("machine")
    for what, now in machine_of(run.prepared).items():
        was = before.get(what) if isinstance(before, dict) else None
        if was != now:
            logger.warning(
                "%s was %r and is %r: the picture will be the same only within rounding",
                what, was, now,
            )  # fmt: skip
