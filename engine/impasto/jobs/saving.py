"""Painting a prepared run and writing its picture, also where the run ends early or the disk refuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path

from impasto.errors import ImpastoError
from impasto.images.writing import PictureMetadata, check_format, write_picture
from impasto.jobs.checkpoints import Checkpoints
from impasto.jobs.recipes import recipe_of
from impasto.model.scopes import scope_of
from impasto.optimization.loop import paint, result_of
from impasto.optimization.memory import clear_frames, is_out_of_memory, out_of_memory_advice
from impasto.optimization.result import Interrupted, Result, RunFailed
from impasto.optimization.state import Run
from impasto.storage.fallback import write_or_keep_elsewhere
from impasto.storage.recipe import with_recipe, without_recipe


def paint_and_save(run: Run, checkpoints: Checkpoints | None = None) -> Result:
    """Paint a run that is ready, and write its output if one is named.

    Raises:
        RunFailed: it failed; or it was painted and its output cannot be written any more: then the
            picture is in a folder for temporary files, which the error names.
        Interrupted: the user stopped it.
    """
    output = output_of(run)
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


def output_of(run: Run) -> Path | None:
    """Where the run's picture goes; None if nothing is to be written."""
    output = run.settings.output
    return None if output is None else Path(run.prepared.folder, output)


def write_result(run: Run, result: Result, path: Path) -> None:
    """Write a result with the content picture's alpha, profile and metadata, and the recipe.

    Raises:
        PictureError: it cannot be written; what stood there before is still there.
    """
    settings, photo = run.settings, run.prepared.content
    xmp = without_recipe(photo.xmp)
    if settings.recipe:
        xmp = with_recipe(xmp, recipe_of(run, result))
    metadata = PictureMetadata(result.alpha, photo.profile, photo.exif, xmp)
    write_picture(path, result.image, metadata, settings.depth, settings.quality)


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
        reason = reason_of(run, error)
        clear_frames(error)
        so_far = result_of(run, stopped="failed")
        line = f"{reason}; {_keep(run, so_far, output)}"
        less = ("size", "precision") if is_out_of_memory(error) else ()
        raise RunFailed(line, so_far, getattr(error, "settings", less)) from error


def reason_of(run: Run, error: Exception) -> str:
    """What failed, in one line: for a plugin its kind, name and origin, as the scopes tell."""
    if is_out_of_memory(error):
        return out_of_memory_advice(run)
    reason = " ".join(str(error).split()) or type(error).__name__
    reason = reason if isinstance(error, ImpastoError) else f"{type(error).__name__}: {reason}"
    where = (scope_of(error) or "").split("/")
    kind, name = where[0], where[-1]
    if kind == "loss" and name in run.objective.names:
        culprit = run.objective.loss(name).spec
    else:
        culprit = {
            "optimizer": run.settings.optimizer,
            "canvas": run.settings.canvas,
            "extractor": run.settings.extractor,
        }.get(kind)
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
