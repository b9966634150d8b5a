"""The statistics of a run's styles: of pictures at a stage's size, or out of a style file."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from impasto.errors import PictureError
from impasto.images.reading import Photo
from impasto.images.tensors import resized
from impasto.model.masks import SMALLEST_AREA
from impasto.model.objective import Objective, StyleStatistics
from impasto.optimization.shared import Share
from impasto.optimization.stages import Stage
from impasto.settings.style import Style

logger = logging.getLogger("impasto")


@dataclass(frozen=True)
class StylePicture:
    """A style picture with the part of it that counts."""

    image: Tensor
    """(1, 3, H, W) sRGB in [0, 1], at its own size, on the CPU."""
    style: Style
    """The style of the settings, whose scale or size counts."""
    mask: Tensor | None = None
    """(1, 1, H, W) in [0, 1]; None is all of it."""
    smallest: int = 1
    """Shortest side, in pixels, that the network takes."""
    share: Share | None = None
    """Has statistics of earlier runs; None computes all."""
    checksum: str = ""
    """Of the picture's file and its mask's, for those."""
    turns: int = 1
    """1; or 4, then its copies turned by quarter turns count, too; or 2, that by half a turn."""

    def statistics(
        self, stage: Stage, fit: str, objective: Objective, device: torch.device
    ) -> StyleStatistics:
        """The statistics of the picture at the size that it has in a stage, on the device.

        Args:
            stage: of the run.
            fit: ``keep`` its shape, or ``stretch`` it to the stage's.
            objective: its losses say which statistics are wanted.
            device: of the objective.
        """
        height, width = self.image.shape[2:]
        width, height = stage.style_size(width, height, fit, self.style, self.smallest)

        def compute() -> StyleStatistics:
            sized = resized(self.image, height, width).to(device)
            part = None if self.mask is None else resized(self.mask, height, width).to(device)
            turned = [
                objective.style_statistics(
                    torch.rot90(sized, turn, (2, 3)),
                    None if part is None else torch.rot90(part, turn, (2, 3)),
                )
                for turn in range(0, 4, 4 // self.turns)
            ]
            return turned[0] if self.turns == 1 else objective.joined(turned)

        if self.share is None:
            return compute()
        name = self.checksum + (f" {self.turns}" if self.turns > 1 else "")
        return self.share.statistics(name, height, width, objective.wraps, compute)


def visible_part(
    name: str, photo: Photo, objective: Objective, mask: Tensor | None
) -> Tensor | None:
    """The part of a style picture that counts: what its mask leaves of what is not transparent.

    Args:
        name: of the style picture's file.
        photo: the style picture.
        objective: where one of its losses takes no masks, all of the picture counts, with colors from
            around in its transparent part, and that is logged.
        mask: (1, 1, H, W) in [0, 1]; None leaves all.

    Returns:
        (1, 1, H, W) in [0, 1]; None where all of it counts.

    Raises:
        PictureError: the mask leaves nothing.
    """
    if photo.alpha is None:
        return mask
    if terms := objective.terms_without_masks():
        logger.warning(
            "loss '%s' takes no masks: it sees the style picture '%s' with its transparent part filled"
            " from around",
            terms[0],
            name,
        )
        return None
    visible = photo.alpha
    if mask is not None:
        visible = visible * resized(mask, *visible.shape[2:])
    if visible.mean() < SMALLEST_AREA:
        raise PictureError(f"style picture '{name}': its mask leaves what is transparent")
    return visible


@dataclass(frozen=True)
class SavedStyleStatistics:
    """The statistics in a style file, for a run that they fit; the file itself is not needed any more."""

    tensors: Mapping[str, Tensor]
    """The statistics of all stages by their names in the file, on the CPU."""
    terms: Mapping[str, str]
    """Term of the run → term of the file."""

    def statistics(
        self, stage: Stage, fit: str, objective: Objective, device: torch.device
    ) -> StyleStatistics:
        """The statistics for a stage, on the device; see :meth:`StylePicture.statistics`."""
        length = max(stage.width, stage.height)
        statistics: StyleStatistics = {term: {} for term in self.terms}
        for term, stored in self.terms.items():
            prefix = f"{length}/{stored}/"
            for name, value in self.tensors.items():
                if name.startswith(prefix):
                    layer, key = name.removeprefix(prefix).rsplit("/", 1)
                    statistics[term].setdefault(layer, {})[key] = value.to(device)
        return statistics
