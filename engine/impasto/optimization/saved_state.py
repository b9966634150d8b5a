"""A run's state as a checkpoint holds it, and a run that takes one up."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from impasto.errors import CheckpointError
from impasto.optimization.state import Run, Step
from impasto.settings.settings import Settings, validate
from impasto.storage.checkpoint import sum_of

if TYPE_CHECKING:
    from impasto.storage.style_file import SavedStyleStatistics

logger = logging.getLogger("impasto")

MISFITS = (OverflowError, KeyError, IndexError, TypeError, ValueError, AttributeError, RuntimeError)
"""What reading a state raises that was not written by :func:`state_of`, or by another run's."""


def state_of(run: Run, inputs: Mapping[str, str], random: Mapping[str, Tensor]) -> dict[str, Any]:
    """All that a run needs to go on after the step that it has done.

    Args:
        run: between two steps, in a stage.
        inputs: see :func:`checksums_of`.
        random: see :func:`random_state`.
    """
    assert run.stage is not None
    assert run.canvas is not None
    assert run.optimizer is not None
    last = run.last_step
    return {
        "folder": str(Path.cwd()),
        "settings": run.settings.as_table(),
        "machine": machine_of(run),
        "inputs": inputs,
        "stage": run.stage.number,
        "step": run.step,
        "seconds": run.seconds,
        "stopping": run.stopping,
        "losses": torch.stack(run.loss_tensors) if run.loss_tensors else torch.zeros(0),
        "terms": last.terms_tensor if last else None,
        "canvas": dict(run.canvas.state_dict()),
        "optimizer": run.optimizer.state_dict(),
        "schedule": simple(vars(run.schedule)) if run.schedule else None,
        "ema": vars(run.ema) if run.ema else None,
        "guard": run.guard.state() if run.guard else None,
        "random": random,
    }


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
    """Where the run was started: relative paths count from there.

    Raises:
        CheckpointError: it is not there.
    """
    folder = Path(str(state.get("folder")))
    if not os.path.isdir(folder):
        raise CheckpointError(f"the run was started in '{folder}', which is not there any more")
    return folder


def load_state(run: Run, state: Mapping[str, Any]) -> None:
    """Make a prepared run go on from a checkpoint; its first stage takes up the rest.

    Raises:
        CheckpointError: the checkpoint was made from other inputs, or does not fit.
    """
    try:
        for name, checksum in checksums_of(run).items():
            if state["inputs"].get(name) != checksum:
                raise CheckpointError(f"{name} is not the one that the checkpoint was made with")
        for what, now in machine_of(run).items():
            if (before := state["machine"][what]) != now:
                logger.warning(
                    "%s was %s and is %s: the picture will be the same only within rounding",
                    what, before, now,
                )  # fmt: skip
        stage = run.stages[state["stage"]]
        losses = state["losses"].to(run.device)
        run.loss_tensors = list(losses.unbind())
        run.step, run.stopping = int(state["step"]), state["stopping"]
        run.seconds_before = float(state["seconds"])
        if not (len(losses) == run.step and 0 <= run.done_in(stage) <= stage.steps):
            raise ValueError("steps")
        if not (isinstance(run.stopping, str | None) and math.isfinite(run.seconds_before)):
            raise ValueError("reason to stop, or time")
        if run.step:
            terms = state["terms"].to(run.device)
            run.last_step = Step(run.step, stage, run.objective.names, losses[-1], terms)
    except MISFITS as error:
        raise _misfit(error) from None
    run.resumed = state


def load_stage_state(run: Run, state: Mapping[str, Any]) -> None:
    """Give canvas, optimizer, schedule, guard, average and random numbers the state that they had.

    Raises:
        CheckpointError: it does not fit.
    """
    assert run.canvas is not None
    assert run.optimizer is not None
    try:
        run.canvas.load_state_dict(state["canvas"])
        run.optimizer.load_state_dict(state["optimizer"])
        if run.schedule is not None:
            run.schedule.__dict__.update(simple(state["schedule"]))
        if run.guard is not None:
            run.guard.load_state(state["guard"])
        if run.ema is not None:
            run.ema.load_state(state["ema"], run.canvas.picture())
        set_random_state(run, state["random"])
    except MISFITS as error:
        raise _misfit(error) from None


def checksums_of(run: Run) -> dict[str, str]:
    """Checksums of what a run is made from, as it was read: pictures, start and network."""
    files = [repr(style.file) for style in run.settings.style]
    return {
        f"the content picture '{run.settings.content}'": sum_of("", {"": run.content}),
        **{
            f"the style {file}": sum_of_style(image)
            for file, image in zip(files, run.styles, strict=True)
        },
        "a mask": sum_of("", masks_of(run)),
        "the start": sum_of("", {"": run.start}),
        "the network": sum_of("", _on_cpu(run.objective.extractor.state_dict())),
    }


def masks_of(run: Run) -> dict[str, Tensor]:
    """All masks of a run, by names of their own."""
    masks = [*(region.mask for region in run.regions), *run.style_masks]
    return {str(number): mask for number, mask in enumerate(masks) if mask is not None}


def sum_of_style(style: Tensor | SavedStyleStatistics) -> str:
    """Checksum of a style picture, or of what the style file in its place holds."""
    return sum_of("", {"": style} if isinstance(style, Tensor) else style.tensors)


def machine_of(run: Run) -> dict[str, object]:
    """What must be the same for the same picture bit for bit, beside the inputs."""
    return {
        "the device": str(run.device),
        "the precision": str(run.precision),
        "compiling": run.evaluate is not run.objective,
        "the number of threads": torch.get_num_threads(),
    }


def random_state(run: Run) -> dict[str, Tensor]:
    """Where the sources of random numbers are."""
    state = {"torch": torch.get_rng_state(), "run": run.generator.get_state()}
    if run.device.type == "cuda":
        state["device"] = torch.cuda.get_rng_state(run.device)
    return state


def set_random_state(run: Run, state: Mapping[str, Tensor]) -> None:
    """Put the sources of random numbers back to where they were."""
    torch.set_rng_state(state["torch"])
    run.generator.set_state(state["run"])
    if run.device.type == "cuda" and "device" in state:
        torch.cuda.set_rng_state(state["device"], run.device)


def simple(table: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers, words and lists of numbers in a table: what changes in a schedule as it goes on.

    The rest, its functions and its optimizer, is made anew from the settings.
    """
    kept = (bool, int, float, str, Tensor, type(None))
    return {
        key: value
        for key, value in table.items()
        if isinstance(value, kept)
        or (isinstance(value, list) and all(isinstance(item, kept) for item in value))
    }


def _on_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu() for name, tensor in tensors.items()}


def _misfit(error: Exception) -> CheckpointError:
    reason = " ".join(str(error).split())[:200]
    return CheckpointError(f"the checkpoint does not fit its run: {type(error).__name__}: {reason}")
