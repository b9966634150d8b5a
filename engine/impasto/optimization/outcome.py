"""From a run to its result, as it stands: also that of a run that ended early, or goes on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy
from torch import Tensor

from impasto.errors import counted
from impasto.images.tensors import resized, to_picture
from impasto.images.writing import PictureMetadata
from impasto.model.color import with_smooth_chroma
from impasto.model.inputs import distinct
from impasto.model.precision import precision_name
from impasto.optimization.recipe import recipe_of
from impasto.optimization.result import History, Result
from impasto.optimization.state import Run
from impasto.storage.recipe import with_recipe, without_recipe


def result_of(run: Run, stopped: str = "") -> Result:
    """The result of a run as far as it came. Waits for the device.

    Args:
        run: which may have ended, or not.
        stopped: why it ended early, unless the run knows.
    """
    image, alpha = colors_and_alpha(run)
    result = Result(
        picture=to_picture(image, alpha),
        image=image,
        alpha=alpha,
        losses=run.losses(),
        terms=run.last_step.terms if run.last_step else {},
        history=history_of(run),
        steps=run.step,
        seconds=run.seconds,
        settings=run.settings,
        device=str(run.device),
        precision=precision_name(run.precision),
        weights=run.objective.extractor.weights,
        stopped=stopped or run.stopping or "",
        changes=run.changes,
    )
    return replace(result, metadata=metadata_of(run, result))


def result_so_far(run: Run) -> Result:
    """The result of a run that goes on, which can be saved; a rerun of its recipe gives the same.

    For hooks, which are called between steps: while a step is done the picture is neither old nor new. Waits
    for the device.
    """
    return result_of(run, stopped=f"left after {counted(run.step, 'step')}")


def colors_and_alpha(run: Run) -> tuple[Tensor, Tensor | None]:
    """The picture so far, (1, 3, H, W) on the CPU, and the content's alpha at its size."""
    settings = run.settings
    image = with_smooth_chroma(run.picture().cpu(), settings.smooth_colors, settings.wraps)
    alpha = run.prepared.content.alpha if run.prepared.content else None
    if alpha is None:
        return image, None
    return image, resized(alpha, image.shape[2], image.shape[3], run.settings.wraps)


def metadata_of(run: Run, result: Result) -> PictureMetadata:
    """What a result's file has beside its colors: the content picture's own, and the recipe."""
    photo = run.prepared.content
    xmp = without_recipe(photo.xmp) if photo else b""
    if run.settings.recipe:
        xmp = with_recipe(xmp, recipe_of(run, result))
    if photo is None:
        return PictureMetadata(xmp=xmp)
    return PictureMetadata(result.alpha, photo.profile, photo.exif, xmp)


def history_of(run: Run) -> History:
    """Step, stage, total and each term, one value for each step so far. Waits for the device."""
    done = numpy.arange(run.step)
    starts = [run.steps_until(stage) for stage in run.stages]
    history: dict[str, numpy.ndarray[Any, Any]] = {
        "step": done + 1,
        "stage": numpy.searchsorted(starts, done, side="right") - 1,
        "total": numpy.array(run.losses()),
    }
    terms = run.terms()
    for place, name in enumerate(run.objective.names):
        history[distinct(name, history)] = terms[:, place]
    return history
