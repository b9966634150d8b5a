"""The objective: extractor and losses as one module, picture → total and terms."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from impasto.extractor import IMAGE, Extractor, Features
from impasto.loss import Loss, Summary, mix
from impasto.scopes import scope


class Objective(nn.Module):
    """Total loss of a picture. Nothing in it talks to the host computer, so it compiles whole."""

    def __init__(self, extractor: Extractor, losses: dict[str, Loss]) -> None:
        """Take the extractor and the losses by the name of their term; select the layers they need."""
        super().__init__()
        extractor.select(layer for loss in losses.values() for layer in loss.layers)
        self.extractor = extractor
        self.losses = nn.ModuleDict(losses)
        self.names = tuple(losses)
        self.targets: dict[str, dict[str, Summary]] = {}

    @torch.no_grad()
    def aim(self, content: Tensor, styles: Sequence[Tensor], weights: Sequence[float]) -> None:
        """Summarise the targets, once for each stage.

        Args:
            content: (1, 3, H, W) sRGB in [0, 1].
            styles: one or more such pictures, of any sizes.
            weights: one for each style, with a sum of one.
        """
        of_content = self.features(content)
        of_styles = [self.features(style) for style in styles]
        for name in self.names:
            loss = self.loss(name)
            with scope(f"loss/{name}"):
                if loss.target == "content":
                    self.targets[name] = loss.summarize(of_content)
                elif loss.target == "style":
                    self.targets[name] = mix_or_only(loss, of_styles, weights)
                else:
                    self.targets[name] = {}

    def features(self, image: Tensor) -> Features:
        """Features of the selected layers, and the picture itself as the layer ``image``."""
        features: Features = {IMAGE: image}
        if self.extractor.selected:
            with _part("extractor/forward"):
                features |= self.extractor(image)
        return features

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The total and its terms.

        Args:
            image: (1, 3, H, W) sRGB.

        Returns:
            The sum of the terms, no dimensions; and the weighted terms, (number of losses,).
        """
        features = self.features(image)
        terms = []
        for name in self.names:
            loss = self.loss(name)
            with _part(f"loss/{name}"):
                difference = loss.compare(loss.summarize(features), self.targets[name])
                terms.append(loss.weight * difference)
        vector = torch.stack(terms)
        return vector.sum(), vector

    def loss(self, name: str) -> Loss:
        """The loss of a term."""
        loss = self.losses[name]
        assert isinstance(loss, Loss)
        return loss


def mix_or_only(
    loss: Loss, styles: Sequence[Features], weights: Sequence[float]
) -> dict[str, Summary]:
    """The target of a style loss: the only style's summary, or the weighted mean of several."""
    summaries = [loss.summarize(features) for features in styles]
    return summaries[0] if len(summaries) == 1 else mix(summaries, weights)


def _part(name: str) -> AbstractContextManager[None]:
    # torch.compile takes the module without a graph break only if no Python state is touched here.
    return nullcontext() if torch.compiler.is_compiling() else scope(name)
