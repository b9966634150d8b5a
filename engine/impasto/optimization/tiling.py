"""Whether a run works in tiles: as it is told, or where the features of its largest stage do not fit."""

from __future__ import annotations

import copy
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import torch

from impasto.errors import SettingsError
from impasto.files.control_groups import group_folders, lines_of
from impasto.model.objective import Objective
from impasto.model.tiles import refuse_tiles
from impasto.optimization.memory import LARGE
from impasto.optimization.stages import Stage
from impasto.optimization.tensor_memory import LiveTensors
from impasto.settings.settings import Settings

logger = logging.getLogger("impasto")

TILE = 512
"""Side of the tiles that ``auto`` takes, pixels."""
OVERHEAD = 1.45
"""Beyond the tensors themselves: what the allocator holds back between them, and the workspace of oneDNN.
Measured at 256, 512 and 1024 pixels on two cores."""
OF_A_PIXEL = 600
"""Bytes that canvas, L-BFGS with its history of 20 steps, targets and averages keep of a pixel, at most."""


def choose_tile(
    settings: Settings, objective: Objective, stage: Stage, device: torch.device
) -> int | Literal["auto", "off"]:
    """The setting ``tile`` that a run has: what was asked for, or what ``auto`` comes to in a large picture.

    Args:
        settings: of the run.
        objective: of the run; its losses and extractor have to be able to work in tiles.
        stage: the largest.
        device: of the run.

    Raises:
        SettingsError: tiles were asked for, and a loss or the extractor cannot be computed in tiles.
    """
    if isinstance(settings.tile, int):
        refuse(settings, objective)
        return settings.tile
    if settings.tile == "off" or stage.width * stage.height < LARGE:
        return settings.tile
    needed, free = needed_bytes(objective, stage), free_bytes(device)
    if free is None or needed <= free:
        return "off"
    needs = (
        f"{megabytes(needed)} for {stage.width} × {stage.height} pixels, {megabytes(free)} are free"
    )
    try:
        refuse(settings, objective)
    except SettingsError as error:
        logger.warning("memory may run out (%s), and not in tiles: %s", needs, error)
        return "off"
    logger.info("tile %d: %s", TILE, needs)
    return TILE


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


def needed_bytes(objective: Objective, stage: Stage) -> int:
    """Bytes that a stage takes beyond what the process has, if its features are held whole.

    The objective is evaluated on torch's ``meta`` device: shapes without values.
    """
    shapes = copy.deepcopy(objective).to("meta")
    image = torch.empty(1, 3, stage.height, stage.width, device="meta", requires_grad=True)
    live = LiveTensors()
    with live:
        shapes.set_targets(image, [image])
        torch.autograd.backward(shapes(image)[0])
    return round(OVERHEAD * live.peak) + OF_A_PIXEL * stage.width * stage.height


def free_bytes(device: torch.device) -> int | None:
    """Memory that is free on a device, within the limits of the process's control groups; None if unknown."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type != "cpu":
        return None
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
