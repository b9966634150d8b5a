"""Whether a run works in tiles: as it is told, or where the features of its largest stage do not fit."""

from __future__ import annotations

import copy
import logging
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch

from impasto.errors import SettingsError
from impasto.files.control_groups import group_folders, lines_of
from impasto.host.host import Host
from impasto.model import gpu
from impasto.model.objective import Objective
from impasto.model.tiles import refuse_tiles
from impasto.optimization.memory import LARGE, resident_bytes
from impasto.optimization.optimizer_memory import kept_of_a_pixel
from impasto.optimization.stages import Stage
from impasto.optimization.tensor_memory import LiveTensors
from impasto.optimization.without_compiler import shapes_without_compiler
from impasto.settings.options import options_of
from impasto.settings.settings import Settings
from impasto.settings.spec import Spec

logger = logging.getLogger("impasto")

TILES = (1024, 512, 256, 128)
"""Sides of the tiles that ``auto`` chooses from, pixels."""
TIMES = {None: 1.0, 1024: 1.0, 512: 1.1, 256: 1.4, 128: 2.0}
"""Time of a step in tiles of a side, by that of the whole picture. Measured at 1024 pixels; see TILES.md."""
ON_PROCESSOR = 1.1
"""Bytes that a process takes for one of the tensors of an evaluation: what the allocator holds back between
them, and the workspace of oneDNN; see :func:`impasto.optimization.memory.configure_malloc`. Measured at
512, 1024 and 2048 pixels."""
ON_CARD = 1.45
"""The same of a GPU."""
CANVAS = 60
"""Bytes of a pixel of float32: canvas, its gradient, the best picture, the content, and room for one more."""
HISTORY, SIZE = "history_precision", "history_size"
"""Options of an optimizer by which its history takes less memory, as ``lbfgs`` has them."""
HISTORY_IS = "the optimizer's history"
IN_HALF, SHORTER, SHORTEST = 1.1, 1.1, 2
"""What a history in bfloat16 costs, and one of half as many pairs, as a factor of time; and how few pairs are
tried. bfloat16 itself takes no time, but a run goes other ways."""


class Choice(NamedTuple):
    """How a run may take less memory."""

    side: int | None
    """Of its tiles, pixels; None for none."""
    optimizer: Spec
    """With what is changed of its history."""
    history: str
    """What is changed, in words; empty for nothing."""
    time: float
    """Of a step, by that of the run as it is."""


def fit_into_memory(
    settings: Settings, host: Host, objective: Objective, stage: Stage, device: torch.device
) -> Settings:
    """The settings with the tile, and the history of the optimizer, that a run gets.

    What was asked for stays. Of what ``auto`` may choose, and of histories of the optimizer, it comes to
    what takes least time of what fits: ``off`` where the largest stage fits whole. Where nothing fits, it
    takes what needs least, and says so.

    Args:
        settings: of the run.
        host: has the optimizer.
        objective: of the run; its losses and extractor have to be able to work in tiles.
        stage: the largest.
        device: of the run.

    Raises:
        SettingsError: tiles were asked for, and a loss or the extractor cannot be computed in tiles.
        PluginError: the optimizer failed.
    """
    asked, budget = settings.tile, settings.max_bytes
    if isinstance(asked, int):
        refuse(settings, objective)
    if budget is None and (asked != "auto" or stage.width * stage.height < LARGE):
        return settings
    allowed = allowed_bytes(budget, objective, device)
    if allowed is None:
        return settings if asked != "auto" else replace(settings, tile="off")
    sides, reason = sides_to_try(settings, objective)
    evaluated = cache(lambda side: needed_bytes(objective, stage, side))
    kept = cache(lambda history: kept_of_a_pixel(host, settings, objective, by_words[history]))
    pixels = stage.width * stage.height

    def needs(one: Choice) -> int:
        return round(evaluated(one.side) + (CANVAS + kept(one.history)) * pixels)

    choices = [
        Choice(side, optimizer, history, TIMES.get(side, 1.0) * time)
        for optimizer, history, time in histories(settings, host)
        for side in sides
    ]
    by_words = {one.history: one.optimizer for one in choices}
    fitting = (one for one in sorted(choices, key=lambda one: one.time) if needs(one) <= allowed)
    chosen = next(fitting, choices[-1])
    said = f"{megabytes(needs(chosen))} for {stage.width} × {stage.height} pixels, {left(allowed, budget)}"
    if needs(chosen) > allowed:
        logger.warning("memory may run out (%s)%s", said, reason)
    if chosen != choices[0]:
        tile = f"tile {chosen.side}" if chosen.side != sides[0] else ""
        logger.info("%s: %s", ", ".join(filter(None, [tile, chosen.history])), said)
    return replace(settings, tile=chosen.side or "off", optimizer=chosen.optimizer)


def sides_to_try(settings: Settings, objective: Objective) -> tuple[list[int | None], str]:
    """The tiles that a run may have, None for none, in the order of their time; and why there are none."""
    if settings.tile != "auto":
        return [None if settings.tile == "off" else settings.tile], ""
    try:
        refuse(settings, objective)
    except SettingsError as error:
        return [None], f"; not in tiles: {error}"
    return [None, *TILES], ""


def histories(settings: Settings, host: Host) -> Iterator[tuple[Spec, str, float]]:
    """The optimizer with its history as it is, in bfloat16, and of fewer pairs, where nobody chose how it is.

    Yields:
        The optimizer, what is changed, in words, and the time of a step, by that of the run as it is.
    """
    optimizer, time, changed = settings.optimizer, 1.0, ""
    yield optimizer, changed, time
    if optimizer.is_object:
        return
    options = {
        option.name: option.default
        for option in options_of(
            host.find("optimizer", optimizer.name).offer.factory, given_by_host=1
        )
        if option.name not in optimizer.options
    }
    if HISTORY in options:
        time, changed = IN_HALF, f"{HISTORY_IS} in bfloat16"
        optimizer = with_option(optimizer, HISTORY, "bfloat16")
        yield optimizer, changed, time
    size = options.get(SIZE)
    while isinstance(size, int) and size // 2 >= SHORTEST:
        size, time = size // 2, time * SHORTER
        shorter = with_option(optimizer, SIZE, size)
        yield shorter, f"{changed or HISTORY_IS} of {size} pairs", time


def with_option(spec: Spec, name: str, value: object) -> Spec:
    """A plugin with one option more."""
    return Spec(spec.name, {**spec.options, name: value})


def allowed_bytes(budget: int | None, objective: Objective, device: torch.device) -> int | None:
    """Bytes that a run may take beyond what its process has, or the GPU's memory; None if unknown.

    Args:
        budget: that the user set; None takes what is free.
        objective: is run once, since a network may keep its weights in another form, too.
        device: of the run.
    """
    side = max(64, objective.extractor.smallest_side)
    with torch.no_grad():
        objective.features(torch.zeros(1, 3, side, side, device=device))
    if budget is None:
        return free_bytes(device)
    taken = resident_bytes()
    if gpu.is_cuda(device):
        taken = torch.cuda.memory_reserved(device)
    return max(0, budget - taken)


def left(allowed: int, budget: int | None) -> str:
    """What may be taken, for a line of text."""
    return f"{megabytes(allowed)} are {'free' if budget is None else 'left of the most'}"


def refuse(settings: Settings, objective: Objective) -> None:
    """Refuse tiles where they cannot be had.

    Raises:
        SettingsError: with the reason.
    """
    refuse_tiles({name: objective.loss(name) for name in objective.names})
    objective.extractor.blocks()
    if settings.seamless != "none":
        raise SettingsError(
            "seamless pictures cannot be computed in tiles: give tile off",
            settings=("seamless", "tile"),
        )
    if settings.compile == "on":
        raise SettingsError(
            "compile on and tiles cannot be had together: give compile off, or tile off",
            settings=("compile", "tile"),
        )


def needed_bytes(objective: Objective, stage: Stage, tile: int | None) -> int:
    """Bytes that loss and gradient of a stage take, beside the canvas and what the optimizer keeps.

    The objective is evaluated on torch's ``meta`` device: shapes without values.

    Args:
        objective: of the run.
        stage: the largest.
        tile: side of the tiles; None holds the features of the whole picture.
    """
    shapes = copy.deepcopy(objective).to("meta")
    shapes.tile = tile
    image = torch.empty(1, 3, stage.height, stage.width, device="meta", requires_grad=True)
    live = LiveTensors()
    with live, shapes_without_compiler():
        shapes.set_targets(image, [image])
        torch.autograd.backward(shapes(image)[0])
    return round(overhead(objective) * live.peak)


def overhead(objective: Objective) -> float:
    """Bytes that a process takes for one of the tensors of an evaluation.

    Args:
        objective: on its device.
    """
    on_processor = all(one.device.type == "cpu" for one in objective.parameters())
    return ON_PROCESSOR if on_processor else ON_CARD


def tile_to_learn(
    settings: Settings, objective: Objective, height: int, width: int, device: torch.device
) -> int | None:
    """Side of the tiles in which a style picture is summarized; None for all of it at once.

    Args:
        settings: of what is learned.
        objective: its losses and extractor have to be able to work in tiles.
        height: of the picture, pixels.
        width: the same.
        device: of the objective.

    Raises:
        SettingsError: tiles were asked for, and a loss or the extractor cannot be computed in tiles.
    """
    if isinstance(settings.tile, int):
        refuse(settings, objective)
        return settings.tile
    if settings.tile == "off" or (settings.max_bytes is None and height * width < LARGE):
        return None
    allowed = allowed_bytes(settings.max_bytes, objective, device)
    sides, reason = sides_to_try(settings, objective)
    if allowed is None:
        return None
    for side in sides:
        needed = learned_bytes(objective, height, width, side)
        if needed <= allowed:
            break
    said = f"{megabytes(needed)} for {width} × {height} pixels, {left(allowed, settings.max_bytes)}"
    if needed > allowed:
        logger.warning("memory may run out (%s)%s", said, reason)
    if side is not None:
        logger.info("tile %d: %s", side, said)
    return side


def learned_bytes(objective: Objective, height: int, width: int, tile: int | None) -> int:
    """Bytes that a style picture takes beyond what the process has; see :func:`needed_bytes`."""
    shapes = copy.deepcopy(objective).to("meta")
    shapes.tile = tile
    live = LiveTensors()
    with live, shapes_without_compiler():
        shapes.style_statistics(torch.empty(1, 3, height, width, device="meta"))
    return round(overhead(objective) * live.peak)


def smaller_tile(settings: Settings, objective: Objective, stage: Stage) -> int | None:
    """The largest tile that takes clearly less than a stage did; None if there is none."""
    now = objective.tile**2 if objective.tile else stage.width * stage.height
    try:
        refuse(settings, objective)
    except SettingsError:
        return None
    return next((side for side in TILES if 2 * side**2 <= now), None)


def free_bytes(device: torch.device) -> int | None:
    """Memory that is free on a device, within the limits of the process's control groups; None if unknown."""
    if device.type != "cpu":
        return gpu.free_bytes(device)
    known = [available_bytes(), *left_in_groups()]
    return min((one for one in known if one is not None), default=None)


def available_bytes() -> int | None:
    """What Linux says is available; elsewhere the memory of the machine."""
    lines = dict(line.split(":", 1) for line in lines_of(Path("/proc/meminfo")))
    if "MemAvailable" in lines:
        return int(lines["MemAvailable"].split()[0]) * 1024
    names = os.sysconf_names if hasattr(os, "sysconf") else {}
    if "SC_PHYS_PAGES" in names and "SC_PAGE_SIZE" in names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def left_in_groups(root: Path = Path("/")) -> Iterator[int]:
    """Bytes that the limit of each control group around this process leaves.

    Args:
        root: of the file system.
    """
    for folder in group_folders("memory", root):
        for limit, used in (
            ("memory.max", "memory.current"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes"),
        ):
            both = " ".join([*lines_of(folder / limit), *lines_of(folder / used)])
            if found := re.fullmatch(r"(\d+) (\d+)", both):
                yield max(0, int(found[1]) - int(found[2]))


def megabytes(count: int) -> str:
    """A number of bytes for a line of text."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
