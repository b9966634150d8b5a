"""Optical flow by RAFT, with the networks of torchvision.

Teed and Deng, "RAFT: Recurrent All-Pairs Field Transforms for Optical Flow", ECCV 2020.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import interpolate

import impasto
from impasto.plugin import resized
from impasto_plugins.extractors.torchvision_models import state_of

SMALLEST, MULTIPLE = 128, 8
"""Shortest side that the network takes, and what sides are multiples of, pixels."""


class RAFT(impasto.Flow):
    """RAFT of torchvision (Teed and Deng 2020); its weights come from its hub or a file."""

    def __init__(
        self,
        model: Annotated[
            Literal["small", "large"], Field(description="large is more exact, and slower")
        ] = "large",
        weights: Annotated[
            str, Field(description="DEFAULT or another name of its weights, or a file")
        ] = "DEFAULT",
        updates: Annotated[
            int, Field(ge=1, description="how often the flow is refined; less is quicker")
        ] = 12,
    ) -> None:
        """Make the network.

        Raises:
            SettingsError: weights of another model, or that cannot be fetched.
        """
        from torchvision.models import get_model

        name = f"raft_{model}"
        self.network: torch.nn.Module = get_model(name, weights=None).eval()
        self.network.load_state_dict(state_of(name, weights, self.network.state_dict()))
        self.updates = updates

    @torch.no_grad()
    def between(self, before: Tensor, after: Tensor) -> Tensor:
        """See :meth:`impasto.Flow.between`."""
        sides = before.shape[2:]
        height, width = (max(SMALLEST, -(-side // MULTIPLE) * MULTIPLE) for side in sides)
        # The network takes colors from -1 to 1.
        frames = [2 * resized(frame, height, width) - 1 for frame in (before, after)]
        flow: Tensor = self.network(*frames, num_flow_updates=self.updates)[-1]
        scale = flow.new_tensor([sides[1] / width, sides[0] / height]).view(1, 2, 1, 1)
        return interpolate(flow, sides, mode="bilinear") * scale


@impasto.hookimpl
def impasto_flows() -> Iterable[impasto.Offer]:
    return [impasto.Offer("raft", RAFT)]
