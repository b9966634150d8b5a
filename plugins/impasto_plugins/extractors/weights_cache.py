"""Weights that took a while to decode, kept in the user's cache folder and mapped from there.

Nothing depends on the file: one that is missing, cut off, damaged, or of another version is made again, and
where it cannot be written there is none.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from platformdirs import user_cache_path
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

import impasto
from impasto.plugin import written_whole

logger = logging.getLogger("impasto")

FORM = "1"
"""Version of what is kept, and how; a file of another one does not count."""


def cached(
    name: str, source: Mapping[str, str], decode: Callable[[], dict[str, Tensor]]
) -> dict[str, Tensor]:
    """Tensors from the cache, or decoded and kept there.

    Args:
        name: of the file, without a suffix.
        source: what the tensors were decoded from; kept with them, and compared.
        decode: makes them, contiguous and of 32 bits each.
    """
    path = cache_file(name)
    found = None if path is None else _read(path, source)
    if found is not None:
        return found
    tensors = decode()
    if path is not None:
        _keep(path, source, tensors)
    return tensors


def cache_file(name: str) -> Path | None:
    """Where tensors of this name are kept; None where there is no cache folder."""
    try:
        folder = user_cache_path("impasto", appauthor=False)
    except RuntimeError:
        # A user without a home, as in a container.
        return None
    return folder / "weights" / f"{name}.safetensors" if folder.is_absolute() else None


def _read(path: Path, source: Mapping[str, str]) -> dict[str, Tensor] | None:
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            kept = file.metadata()
        if kept == {**source, **_about(tensors)}:
            return tensors
        reason = "it is damaged or of another version"
    except FileNotFoundError:
        return None
    except (OSError, SafetensorError, RuntimeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
    logger.debug("weights: '%s' is made anew: %s", path, reason)
    return None


def _keep(path: Path, source: Mapping[str, str], tensors: dict[str, Tensor]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as part:
            save_file(tensors, part, {**source, **_about(tensors)})
    except (OSError, SafetensorError, impasto.OutputError) as error:
        reason = str(error).partition("\n")[0]
        logger.debug("weights: not kept in '%s': %s", path, reason)


def _about(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """What tells tensors from damaged ones; sums of all their words, which take a hundredth of a second."""
    names = sorted(tensors)
    layout = [f"{name} {tensors[name].dtype} {tuple(tensors[name].shape)}" for name in names]
    sums = [int(tensors[name].view(torch.int32).sum(dtype=torch.int64)) for name in names]
    text = "\n".join([*layout, *map(str, sums)])
    return {"form": FORM, "content": hashlib.sha256(text.encode()).hexdigest()}
