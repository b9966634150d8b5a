"""The objective: extractor and losses as one module, picture → total and terms."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from impasto.extractor import IMAGE, Extractor, Features
from impasto.loss import Loss, Summary, mix
from impasto.scopes import scope

StyleSummaries = dict[str, dict[str, Summary]]
"""What the objective keeps of a style picture: summaries by term and layer."""

Target = tuple[float, dict[str, Summary]]
"""A target's share of its term, and its summaries by layer."""


class Objective(nn.Module):
    """Total loss of a picture. Nothing in it talks to the host computer, so it compiles whole."""

    def __init__(self, extractor: Extractor, losses: dict[str, Loss]) -> None:
        """Take the extractor and the losses by the name of their term; select the layers they need."""
        super().__init__()
        extractor.select(layer for loss in losses.values() for layer in loss.layers)
        self.extractor = extractor
        self.losses = nn.ModuleDict(losses)
        self.names = tuple(losses)
        self.targets: dict[str, list[Target]] = {}

    @torch.no_grad()
    def learn(self, style: Tensor) -> StyleSummaries:
        """Summarise a style picture, for each term that compares with a style.

        Args:
            style: (1, 3, H, W) sRGB in [0, 1].
        """
        features = self.features(style)
        learned: StyleSummaries = {}
        for name in self.names:
            loss = self.loss(name)
            if loss.target == "style":
                with scope(f"loss/{name}"):
                    learned[name] = loss.summarize(features)
        return learned

    @torch.no_grad()
    def aim(
        self, content: Tensor, styles: Sequence[Tensor | StyleSummaries], weights: Sequence[float]
    ) -> None:
        """Summarise the targets, once for each stage.

        Args:
            content: (1, 3, H, W) sRGB in [0, 1].
            styles: one or more such pictures, of any sizes, or what was learned from them.
            weights: one for each style, with a sum of one.
        """
        of_content = self.features(content)
        of_styles = [self.learn(style) if torch.is_tensor(style) else style for style in styles]
        for name in self.names:
            loss = self.loss(name)
            with scope(f"loss/{name}"):
                if loss.target == "content":
                    self.targets[name] = [(1.0, loss.summarize(of_content))]
                elif loss.target == "style":
                    summaries = [style[name] for style in of_styles]
                    self.targets[name] = style_targets(loss, summaries, weights)
                else:
                    self.targets[name] = [(1.0, {})]

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
                summary = loss.summarize(features)
                parts = [part * loss.compare(summary, aim) for part, aim in self.targets[name]]
                terms.append(loss.weight * torch.stack(parts).sum())
        vector = torch.stack(terms)
        return vector.sum(), vector

    def loss(self, name: str) -> Loss:
        """The loss of a term."""
        loss = self.losses[name]
        assert isinstance(loss, Loss)
        return loss


def style_targets(
    loss: Loss, summaries: Sequence[dict[str, Summary]], weights: Sequence[float]
) -> list[Target]:
    """What a style loss compares with: sums are mixed into one target, others stay one a style.

    Args:
        loss: its ``summary`` decides which.
        summaries: of each style picture, by layer.
        weights: one for each, with a sum of one.
    """
    if loss.summary == "sum" and len(summaries) > 1:
        return [(1.0, mix(summaries, weights))]
    return list(zip(weights, summaries, strict=True))


def _part(name: str) -> AbstractContextManager[None]:
    # torch.compile takes the module without a graph break only if no Python state is touched here.
    return nullcontext() if torch.compiler.is_compiling() else scope(name)
