"""Optical flow by dense inverse search, with OpenCV.

Kroeger, Timofte, Dai and Van Gool, "Fast Optical Flow using Dense Inverse Search", ECCV 2016.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

import numpy
import torch
from pydantic import Field
from torch import Tensor

import impasto
from impasto.plugin import require

SMALLEST = 12
"""Shortest side, in pixels, that the method takes."""


class DenseInverseSearch(impasto.Flow):
    """Dense inverse search of OpenCV (Kroeger et al. 2016); needs impasto[video]."""

    def __init__(
        self,
        preset: Annotated[
            Literal["ultrafast", "fast", "medium"],
            Field(description="how much time it takes; medium is the most exact"),
        ] = "medium",
        finest_scale: Annotated[
            int,
            Field(
                ge=0,
                le=6,
                description="halvings of the size that are left out at the end; 1, OpenCV's own, is quicker",
            ),
        ] = 0,
    ) -> None:
        require("cv2", "video", "flow 'dis'")
        import cv2

        presets = {
            "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
            "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
            "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
        }
        self.search = cv2.DISOpticalFlow.create(presets[preset])
        self.search.setFinestScale(finest_scale)

    def between(self, before: Tensor, after: Tensor) -> Tensor:
        """See :meth:`impasto.Flow.between`.

        Raises:
            PictureError: a picture too small for the method.
        """
        height, width = before.shape[2:]
        if min(height, width) < SMALLEST:
            raise impasto.PictureError(
                f"flow 'dis' needs frames of {SMALLEST} pixels each way, not {width} × {height}"
            )
        found = self.search.calc(gray(before), gray(after), None)  # type: ignore[call-overload]
        return torch.from_numpy(found).permute(2, 0, 1)[None].contiguous()


def gray(image: Tensor) -> numpy.ndarray[tuple[int, int], numpy.dtype[numpy.uint8]]:
    """Brightness in 256 levels, (H, W), as OpenCV wants it: (1, 3, H, W) sRGB weighed by BT.601."""
    weights = image.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    levels = (image * weights).sum(1)[0].clamp(0, 1).mul(255).round().to(torch.uint8)
    found: numpy.ndarray[tuple[int, int], numpy.dtype[numpy.uint8]] = levels.numpy()
    return found


@impasto.hookimpl
def impasto_flows() -> Iterable[impasto.Offer]:
    return [impasto.Offer("dis", DenseInverseSearch)]
