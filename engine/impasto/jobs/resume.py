"""Resuming a run from its checkpoint."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, NotRequired

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from impasto.errors import CheckpointError, SettingsError, unknown
from impasto.host.host import KINDS
from impasto.host.objects import take_objects
from impasto.jobs.checkpoints import Checkpoints, identity_of, plugins_of
from impasto.jobs.run import module_files, observed_host, register
from impasto.jobs.saving import paint_and_save
from impasto.optimization.prepare import prepare
from impasto.optimization.provenance import machine_of
from impasto.optimization.result import Result
from impasto.optimization.shared import Shared
from impasto.optimization.state import Run
from impasto.settings.options import complaint
from impasto.settings.settings import Settings, validate
from impasto.settings.spec import Spec
from impasto.settings.trust import refuse_unnamed, refuse_writes_outside, where_they_are
from impasto.storage.checkpoint import NAME, locked, open_checkpoint

logger = logging.getLogger("impasto")


def resume(
    folder: str | os.PathLike[str],
    watched: Callable[[Settings], Settings] | None = None,
    *,
    plugins: Sequence[str] = (),
    observers: Sequence[object] = (),
    shared: Shared | None = None,
    force: bool = False,
    trust: bool = False,
    **given: object,
) -> Result:
    """Resume the run of a checkpoint, and write its output over the picture so far.

    Args:
        folder: the folder that the run had as ``checkpoint``. Relative names in the run's settings
            count from where it was started.
        watched: puts callbacks into the settings, or takes them out.
        plugins: plugins to load. A checkpoint loads none by itself: one from elsewhere must not run
            code.
        observers: objects with life-cycle hooks.
        shared: what runs of this process have from one another; None shares nothing.
        force: replace files of the run's outputs that it did not write itself.
        trust: write all files that the run wrote, wherever they are. Without it, a checkpoint that this
            user's runs did not write may write in its own folder only; and one that was moved, in
            the folder that it was moved to.
        given: ``loss``, ``extractor``, ``optimizer``, ``canvas`` and ``callback`` as for
            :func:`impasto.run`, where the run was given objects: these have to be given again.

    Raises:
        SettingsError: an object that the run was not given.
        PluginError: the run had a plugin that is not named.
        CheckpointError: no checkpoint, cut short, damaged, of another version or of other inputs.
        ImpastoError, RunFailed, Interrupted: see :func:`impasto.run`.
    """
    folder = Path(folder).resolve()
    again, objects = take_objects(given)
    if not (folder / NAME).exists():
        raise CheckpointError(f"there is no checkpoint in '{folder}'")
    with locked(folder):
        state, own = open_checkpoint(folder)
        refuse_other_types(state, folder)
        started_in = folder_of(state, folder)
        settings = settings_of(state, started_in)
        refuse_other_objects(settings, again, folder)
        if not trust:
            refuse_to_write_elsewhere(settings, state, started_in, folder, own)
        force = force or (settings.force and (own or trust))
        settings = replace(settings, checkpoint=str(folder), force=force)
        observers = [objects, *observers]
        return _resume(folder, state, settings, started_in, watched, plugins, observers, shared)


def follow(
    folder: str | os.PathLike[str], plugins: Sequence[str] = (), observers: Sequence[object] = ()
) -> None:
    """Go on as one of several processes of a run, of which the first writes; see :func:`resume`.

    Raises:
        ImpastoError: see there.
    """
    folder = Path(folder).resolve()
    state, _ = open_checkpoint(folder)
    refuse_other_types(state, folder)
    started_in = folder_of(state, folder)
    settings = settings_of(state, started_in)
    refuse_unnamed(f"the checkpoint in '{folder}'", settings.plugin, plugins)
    host = observed_host(settings.load, plugins, observers)
    settings = replace(
        settings, plugin=where_they_are(settings.plugin, plugins, started_in),
        output=None, checkpoint=None, callback=(),
    )  # fmt: skip
    run = prepare(settings, host, folder=str(started_in))
    run.load_state_dict(state)
    paint_and_save(run)


def resume_as(
    settings: Settings, observers: Sequence[object] = (), shared: Shared | None = None
) -> Result:
    """Resume a run whose settings the caller has, as a batch does.

    Nothing but the state is taken from the checkpoint, so that it may come from another machine.
    Relative names count from the working folder.

    Args:
        settings: of the run, with its checkpoint.
        observers: objects with life-cycle hooks.
        shared: what runs of this process have from one another; None shares nothing.

    Raises:
        CheckpointError: no checkpoint, cut short, damaged, of another version or of other inputs.
        ImpastoError, RunFailed, Interrupted: see :func:`impasto.run`.
    """
    folder, here = Path(str(settings.checkpoint)).resolve(), Path.cwd()
    with locked(folder):
        state, _ = open_checkpoint(folder)
        refuse_other_types(state, folder)
        plugins = settings.plugin
        return _resume(folder, state, settings, here, None, plugins, observers, shared)


def _resume(
    folder: Path,
    state: Mapping[str, Any],
    settings: Settings,
    started_in: Path,
    watched: Callable[[Settings], Settings] | None,
    plugins: Sequence[str],
    observers: Sequence[object],
    shared: Shared | None,
) -> Result:
    refuse_unnamed(f"the checkpoint in '{folder}'", settings.plugin, plugins)
    host = observed_host(settings.load, plugins, observers)
    settings = replace(settings, plugin=where_they_are(settings.plugin, plugins, started_in))
    outputs = register(settings, folder=str(started_in), own=folder)
    checkpoints = Checkpoints(folder, settings.checkpoint_every)
    checkpoints.claim(outputs)
    settings = watched(settings) if watched else settings
    run = prepare(settings, host, folder=str(started_in), shared=shared)
    run.outputs = outputs
    outputs.reads(module_files(plugins))
    refuse_other_inputs(run, inputs_of(state, started_in))
    say_differences(run, state)
    run.load_state_dict(state)
    return paint_and_save(run, checkpoints)


def refuse_other_objects(settings: Settings, again: Mapping[str, object], folder: Path) -> None:
    """Refuse to resume without the objects that the run was given, or with others.

    Args:
        settings: of the checkpoint.
        again: what is given now, by setting; objects by their names.
        folder: of the checkpoint.

    Raises:
        CheckpointError: an object is missing.
        SettingsError: one is given that the run did not have.
    """
    for kind, value in again.items():
        if kind not in KINDS:
            raise SettingsError(unknown("argument of resume", kind, KINDS))
        had = getattr(settings, kind)
        for spec in map(Spec.parse, value if isinstance(value, list | tuple) else [value]):
            if spec not in (had if isinstance(had, tuple) else [had]):
                raise SettingsError(
                    f"the run of the checkpoint in '{folder}' has no {kind} '{spec}'"
                )
    for kind, spec in settings.objects():
        value = again.get(kind)
        if spec not in (value if isinstance(value, list | tuple) else [value]):
            raise CheckpointError(
                f"the checkpoint in '{folder}' has the {kind} '{spec.name}', an object of Python: give it"
                f" again, impasto.resume(folder, {kind}=…)",
                settings=(kind,),
            )


class SavedRun(TypedDict):
    """What each checkpoint has; the stage itself checks the state of its canvas, optimizer and the like."""

    __pydantic_config__ = ConfigDict(strict=True, allow_inf_nan=False)  # type: ignore[misc]

    folder: str
    from_here: NotRequired[str]
    settings: dict[str, Any]
    machine: dict[str, str | int | float | bool | None]
    inputs: dict[str, str]
    stage: Annotated[int, Field(ge=0)]
    step: Annotated[int, Field(ge=0)]
    seconds: Annotated[float, Field(ge=0)]
    stopping: str | None
    changes: list[Any]
    asked: list[Any]
    current: dict[str, Any]
    random: dict[str, Any]


def refuse_other_types(state: Mapping[str, Any], folder: Path) -> None:
    """Refuse a checkpoint whose state has something else than a run saves.

    Raises:
        CheckpointError: with the first part that differs.
    """
    try:
        TypeAdapter(SavedRun).validate_python(state)
    except ValidationError as error:
        reason = complaint(error, "entry")
        raise CheckpointError(f"the checkpoint in '{folder}' is damaged: {reason}") from None


def refuse_to_write_elsewhere(
    settings: Settings, state: Mapping[str, Any], started_in: Path, folder: Path, own: bool
) -> None:
    """Refuse a checkpoint that would write files where this user's runs have none.

    One that lies where a run of this user wrote it may write all that the run wrote; one of the user's
    that was moved or copied, in the folder that it was moved to; one of a stranger's, in its own folder.

    Raises:
        CheckpointError: with what it would write.
    """
    written_to = Path(state["folder"]) / str(state["settings"].get("checkpoint") or folder)
    if own and Path(os.path.realpath(written_to)) == folder:
        return
    table = {**settings.as_table(), "checkpoint": None}
    allowed = (folder, started_in) if own else (folder,)
    what = f"the checkpoint in '{folder}'"
    refuse_writes_outside(what, table, started_in, allowed, CheckpointError)


def settings_of(state: Mapping[str, Any], started_in: Path) -> Settings:
    """The settings of a checkpoint.

    Args:
        state: of the checkpoint.
        started_in: where the run was started, or where that folder is now: names of files in it follow.

    Raises:
        SettingsError: a value that does not fit.
    """
    return validate(moved(state["settings"], f"{state['folder']}{os.sep}", started_in))


def moved(value: Any, before: str, now: Path) -> Any:
    """A table with all texts in it that begin with one folder beginning with another."""
    if isinstance(value, Mapping):
        return {key: moved(item, before, now) for key, item in value.items()}
    if isinstance(value, list):
        return [moved(item, before, now) for item in value]
    if isinstance(value, str) and value.startswith(before):
        return os.path.join(now, value.removeprefix(before))
    return value


def folder_of(state: Mapping[str, Any], checkpoint: Path) -> Path:
    """Where the run was started, or where that folder is now: relative names count from there.

    A folder that was moved or copied with checkpoint and content in it, or style where there is no content,
    is found by the way from the checkpoint.

    Raises:
        CheckpointError: it is not there.
    """
    before = Path(state["folder"])
    now = Path(os.path.normpath(checkpoint / str(state.get("from_here"))))
    picture = first_picture(state["settings"]).removeprefix(f"{before}{os.sep}")
    if not os.path.isabs(picture) and os.path.isfile(now / picture):
        return now
    if os.path.isdir(before):
        return before
    if os.path.isdir(now):
        return now
    raise CheckpointError(f"the run was started in '{before}', which is not there any more")


def first_picture(settings: Mapping[str, Any]) -> str:
    """The content of a checkpoint's settings, or the first style where there is none; empty if neither."""
    style = settings.get("style")
    first = style[0] if isinstance(style, list) and style else None
    file = first.get("file") if isinstance(first, dict) else first
    return str(settings.get("content") or file or "")


def inputs_of(state: Mapping[str, Any], started_in: Path) -> dict[str, Any]:
    """The checksums of a checkpoint's inputs, by the names that these have where the run's folder is now."""
    before = f"{state['folder']}{os.sep}"
    return {
        name.replace(f"'{before}", f"'{started_in}{os.sep}"): checksum
        for name, checksum in state["inputs"].items()
    }


def refuse_other_inputs(run: Run, before: Mapping[str, Any]) -> None:
    """Refuse a checkpoint that was made from other pictures or weights; warn of a plugin that changed.

    Raises:
        CheckpointError: with the first input that differs.
    """
    plugins = plugins_of(run)
    for name, checksum in identity_of(run).items():
        if before.get(name) == checksum:
            continue
        line = f"{name} is not the one that the checkpoint was made with"
        if name not in plugins:
            raise CheckpointError(line)
        # The user may resume the run because the plugin has been fixed.
        logger.warning("%s: the picture may be another", line)


def say_differences(run: Run, state: Mapping[str, Any]) -> None:
    """Warn of what differs from the machine that wrote the checkpoint."""
    for what, now in machine_of(run.prepared).items():
        was = state["machine"].get(what)
        if was != now:
            logger.warning(
                "%s was %r and is %r: the picture will be the same only within rounding",
                what, was, now,
            )  # fmt: skip
