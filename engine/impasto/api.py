"""``impasto.run``: a whole run from Python, and what both doors share: saving, also what failed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from os import PathLike, fspath
from pathlib import Path

from PIL.Image import Image

from impasto.errors import ImpastoError, SettingsError
from impasto.host.trust import refuse_unnamed, where_they_are
from impasto.images.tensors import Photo, check_output, photo_of
from impasto.images.writing import PictureMetadata, check_format, write_picture
from impasto.jobs.checkpoints import Checkpoints
from impasto.model.scopes import scope_of
from impasto.optimization.loop import paint, result_of
from impasto.optimization.memory import clear_frames, is_out_of_memory, out_of_memory_advice
from impasto.optimization.prepare import prepare
from impasto.optimization.saved_state import folder_of, load_state, settings_of
from impasto.optimization.state import Result, Run
from impasto.settings.settings import Settings, gather
from impasto.settings.style import Style
from impasto.storage.checkpoint import read_checkpoint
from impasto.storage.fallback import write_or_keep_elsewhere
from impasto.storage.recipe import recipe_of, with_recipe, without_recipe

Picture = str | PathLike[str] | Image
"""A file, or a picture of Pillow. For a style also text as on the command line: ``b.jpg:weight=0.3``."""

IN_MEMORY = "(a picture in memory)"


class RunFailed(ImpastoError):
    """A run that ended with an error after it began; its picture so far is kept."""

    def __init__(self, message: str, result: Result, settings: Sequence[str] = ()) -> None:
        super().__init__(message, settings=settings)
        self.result = result
        """The run as far as it came."""


class Interrupted(KeyboardInterrupt):
    """A run that was stopped from outside (Ctrl-C); its picture so far is kept."""

    def __init__(self, message: str, result: Result) -> None:
        super().__init__(message)
        self.result = result
        """The run as far as it came."""


def run(
    content: Picture,
    style: Picture | Sequence[Picture],
    *,
    preset: str | None = None,
    config: str | PathLike[str] | None = None,
    **given: object,
) -> Result:
    """Paint the content of one picture in the style of others.

    Args:
        content: a file, or a picture of Pillow.
        style: one or several of these, or of :class:`impasto.Style`.
        preset: name of a preset; ``default`` if nothing is said.
        config: a TOML file of settings.
        given: settings by name (see :class:`impasto.Settings`); plugins as SPEC, e.g.
            ``loss=["content", "gram:weight=2"]``. They win over the file, the file over the preset.

    Returns:
        Picture, losses and settings. It is also written to a file if ``output`` is given.

    Raises:
        ImpastoError: something asked for cannot be had. The text is one clear line.
        RunFailed: the run failed after it began; its ``result`` has the picture so far.
        Interrupted: the same for Ctrl-C.
    """
    several = isinstance(style, Sequence) and not isinstance(style, str)
    styles: Sequence[Picture] = style if several else [style]  # type: ignore[assignment, list-item]
    given = {**given, "content": _name(content), "style": [_style(one) for one in styles]}
    if isinstance(output := given.get("output"), PathLike):
        given["output"] = fspath(output)
    settings = gather(given, preset, fspath(config) if config is not None else None)
    return run_settings(settings, _in_memory(content), [_in_memory(one) for one in styles])


def run_settings(
    settings: Settings, content: Photo | None = None, styles: Sequence[Photo | None] = ()
) -> Result:
    """Do one run as its settings say, and write its output if one is named.

    Raises:
        ImpastoError, RunFailed, Interrupted: see :func:`run`.
    """
    output = Path(settings.output) if settings.output is not None else None
    if output is not None:
        check_output(output, settings.force, inputs=inputs_of(settings))
    checkpoints = None
    if settings.checkpoint is not None:
        if content or any(styles):
            raise SettingsError("a checkpoint needs pictures in files, not in memory")
        checkpoints = Checkpoints(Path(settings.checkpoint), settings.checkpoint_every)
        if not settings.force:
            checkpoints.refuse_to_replace()
    return finish(prepare(settings, content, styles), checkpoints)


def resume(
    folder: str | PathLike[str],
    watched: Callable[[Settings], Settings] | None = None,
    *,
    plugins: Sequence[str] = (),
) -> Result:
    """Go on with the run of a checkpoint; its output is written, over the picture so far.

    Args:
        folder: that the run had as ``checkpoint``. Relative paths of the run are taken from where
            it was started.
        watched: puts observers into the settings, or takes them out.
        plugins: to load. A checkpoint loads none by itself: one from elsewhere must not run code.

    Raises:
        PluginError: the run had a plugin that is not named.
        CheckpointError: no checkpoint, cut short, damaged, of another version or of other inputs.
        ImpastoError, RunFailed, Interrupted: see :func:`run`.
    """
    folder = Path(folder).resolve()
    state = read_checkpoint(folder)
    settings, started_in = settings_of(state), folder_of(state)
    refuse_unnamed("the checkpoint", settings.plugin, plugins)
    settings = replace(settings, plugin=where_they_are(settings.plugin, plugins, started_in))
    with chdir(started_in):
        if settings.output is not None:
            check_output(Path(settings.output), True, inputs_of(settings))
        prepared = prepare(watched(settings) if watched else settings)
        load_state(prepared, state)
        return finish(prepared, Checkpoints(folder, settings.checkpoint_every))


def finish(run: Run, checkpoints: Checkpoints | None) -> Result:
    """Paint a run that is ready, and write its output if one is named.

    Raises:
        RunFailed: it failed; or it was painted and its output cannot be written any more: then the
            picture is in a folder for temporary files, which the error names.
    """
    output = Path(run.settings.output) if run.settings.output is not None else None
    if output is not None:
        check_format(output, run.settings.depth, run.stages[-1].width, run.stages[-1].height)
    if checkpoints is not None:
        run.host.register(checkpoints, "checkpoint", "the engine")
    with (
        keep_what_was_painted(run, output),
        checkpoints.signals_wait() if checkpoints is not None else nullcontext(),
    ):
        result = paint(run)
    trouble = write_or_keep_elsewhere(partial(write_result, run, result), output) if output else ""
    if trouble:
        resumable = checkpoints is not None and checkpoints.has_one()
        hint = "; impasto resume goes on from its checkpoint" if resumable else ""
        raise RunFailed(trouble + hint, result)
    return result


def write_result(run: Run, result: Result, path: Path) -> None:
    """Write a result with all that the content picture had beside its colors, and the recipe.

    Raises:
        PictureError: it cannot be written; what stood there before is still there.
    """
    settings, photo = run.settings, run.photo
    xmp = without_recipe(photo.xmp) if photo is not None else b""
    if settings.recipe:
        xmp = with_recipe(xmp, recipe_of(run, result))
    profile, exif = (photo.profile, photo.exif) if photo is not None else (None, b"")
    metadata = PictureMetadata(result.alpha, profile, exif, xmp)
    write_picture(path, result.image, metadata, settings.depth, settings.quality)


def inputs_of(settings: Settings) -> list[str]:
    """All files that a run reads as pictures, masks or styles."""
    masks = [mask for style in settings.style for mask in (style.content_mask, style.style_mask)]
    return [settings.content, *map(fspath, settings.style), *filter(None, masks)]


@contextmanager
def keep_what_was_painted(run: Run, output: Path | None) -> Iterator[None]:
    """Turn what ends a run early into an error that has the picture so far, and save the picture.

    Raises:
        RunFailed: for an error; an ``ImpastoError`` before the first step passes as it is.
        Interrupted: for Ctrl-C and signals that are turned into it.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        so_far = result_of(run, stopped="interrupted")
        reason = str(error) or "interrupted"
        raise Interrupted(f"{reason}; {_keep(run, so_far, output)}", so_far) from None
    except Exception as error:
        if not run.step and isinstance(error, ImpastoError):
            raise
        reason = blame(run, error)
        clear_frames(error)
        so_far = result_of(run, stopped="failed")
        line = f"{reason}; {_keep(run, so_far, output)}"
        raise RunFailed(line, so_far, getattr(error, "settings", ())) from error


def blame(run: Run, error: Exception) -> str:
    """What failed in one line: for a plugin its kind, name and origin, as the scopes tell."""
    if is_out_of_memory(error):
        return out_of_memory_advice(run)
    reason = " ".join(str(error).split()) or type(error).__name__
    reason = reason if isinstance(error, ImpastoError) else f"{type(error).__name__}: {reason}"
    where = (scope_of(error) or "").split("/")
    terms = dict(zip(run.objective.names, run.settings.loss, strict=True))
    culprits = {
        "loss": terms.get(where[-1]),
        "optimizer": run.settings.optimizer,
        "canvas": run.settings.canvas,
        "extractor": run.settings.extractor,
    }
    kind, culprit = where[0], culprits.get(where[0])
    if culprit is None:
        return reason
    origin = run.host.origin_of(kind, culprit.name)
    return f"{kind} '{culprit.name}' of plugin {origin} failed: {reason}"


def _keep(run: Run, result: Result, output: Path | None) -> str:
    if not result.steps:
        return "no step was done, nothing is written"
    if output is None:
        return f"the picture after {result.steps} steps is in the error's result"
    trouble = write_or_keep_elsewhere(partial(write_result, run, result), output)
    return trouble or f"the picture after {result.steps} steps is in '{output}'"


def _name(picture: Picture) -> str:
    return IN_MEMORY if isinstance(picture, Image) else fspath(picture)


def _style(picture: Picture) -> str | Style:
    # A path is a file and nothing else; text may have options.
    if isinstance(picture, Image):
        return Style(IN_MEMORY)
    return picture if isinstance(picture, str) else Style.parse(picture)


def _in_memory(picture: Picture) -> Photo | None:
    return photo_of(picture) if isinstance(picture, Image) else None
