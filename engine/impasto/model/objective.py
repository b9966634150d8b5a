"""The objective: extractor and losses as one module, picture → total and terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from impasto.model.extractor import IMAGE, Extractor, Features
from impasto.model.loss import Loss, Summary, mix
from impasto.model.masks import Region, at_layers, takes_masks
from impasto.model.scopes import part, scope

StyleStatistics = dict[str, dict[str, Summary]]
"""What the objective keeps of a style picture: summaries by term and layer."""


class Target(NamedTuple):
    """One thing that a term compares with."""

    weight: float
    """Factor of this comparison within the term."""
    summaries: dict[str, Summary]
    """Summaries of the target picture by layer."""
    region: int | None = None
    """Index of the region among those that have a mask; None is the whole picture."""


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
        self.scales: dict[str, Tensor] = {}
        """Factor of each term at this size, no dimensions; a tensor, so that compiled code serves all."""
        self.masks: list[dict[str, Tensor]] = []
        """Of each region that has one, by layer."""

    @torch.no_grad()
    def style_statistics(self, style: Tensor, mask: Tensor | None = None) -> StyleStatistics:
        """The statistics of a style picture, for each term that compares with a style.

        Args:
            style: (1, 3, H, W) sRGB in [0, 1].
            mask: (1, 1, H, W), the part of it that counts; None is all of it.
        """
        features = self.features(style)
        masks = None if mask is None else at_layers(mask, features)
        statistics: StyleStatistics = {}
        for name in self.names:
            loss = self.loss(name)
            if loss.target == "style":
                with scope(f"loss/{name}"):
                    statistics[name] = summarize(loss, features, masks)
        return statistics

    def terms_without_masks(self) -> list[str]:
        """The terms that compare with a style and can only do so with the whole picture."""
        losses = {term: self.loss(term) for term in self.names}
        return [
            term
            for term, loss in losses.items()
            if loss.target == "style" and not takes_masks(loss)
        ]

    @torch.no_grad()
    def set_targets(
        self,
        content: Tensor,
        styles: Sequence[Tensor | StyleStatistics],
        weights: Sequence[float],
        regions: Sequence[Region] = (),
    ) -> None:
        """Summarize the targets; once for each stage.

        Args:
            content: (1, 3, H, W) sRGB in [0, 1].
            styles: one or more such pictures, of any sizes, or their statistics.
            weights: one for each style, with a sum of one.
            regions: with masks of the content's size, where styles are painted in parts; then their
                weights count.
        """
        of_content = self.features(content)
        regions = regions or [Region(tuple(range(len(styles))), tuple(weights))]
        masked = [region.mask for region in regions if region.mask is not None]
        self.masks = [at_layers(mask, of_content) for mask in masked]
        of_styles = [
            self.style_statistics(style) if torch.is_tensor(style) else style for style in styles
        ]
        for name in self.names:
            loss = self.loss(name)
            self.scales[name] = content.new_tensor(loss.scale_at(max(content.shape[2:])))
            with scope(f"loss/{name}"):
                if loss.target == "content":
                    self.targets[name] = [Target(1.0, loss.summarize(of_content))]
                elif loss.target == "style":
                    summaries = [style[name] for style in of_styles]
                    self.targets[name] = region_targets(loss, summaries, regions)
                else:
                    self.targets[name] = [Target(1.0, {})]

    def features(self, image: Tensor) -> Features:
        """Features of the selected layers, and the picture itself as the layer ``image``."""
        features: Features = {IMAGE: image}
        if self.extractor.selected:
            with part("extractor/forward"):
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
            with part(f"loss/{name}"):
                weight = loss.weight * self.scales[name]
                terms.append(weight * torch.stack(self.parts(name, features)).sum())
        vector = torch.stack(terms)
        return vector.sum(), vector

    def parts(self, name: str, features: Features) -> list[Tensor]:
        """What a term is the sum of, before its weight: one comparison for each target."""
        loss, parts = self.loss(name), []
        summaries: dict[int | None, dict[str, Summary]] = {}
        for target in self.targets[name]:
            place = target.region
            if place not in summaries:
                masks = None if place is None else self.masks[place]
                summaries[place] = summarize(loss, features, masks)
            parts.append(target.weight * loss.compare(summaries[place], target.summaries))
        return parts

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
        return [Target(1.0, mix(summaries, weights))]
    return [Target(*pair) for pair in zip(weights, summaries, strict=True)]


def region_targets(
    loss: Loss, summaries: Sequence[dict[str, Summary]], regions: Sequence[Region]
) -> list[Target]:
    """The targets of each region, which counts by its area.

    Args:
        loss: of the term.
        summaries: of each style picture, by layer.
        regions: which styles paint where.
    """
    targets: list[Target] = []
    masked = 0
    for region in regions:
        own = style_targets(loss, [summaries[place] for place in region.styles], region.weights)
        if region.mask is None:
            targets += own
            continue
        targets += [Target(region.area * weight, summary, masked) for weight, summary, _ in own]
        masked += 1
    return targets


def summarize(
    loss: Loss, features: Features, masks: Mapping[str, Tensor] | None
) -> dict[str, Summary]:
    """Summaries by layer, of the whole picture or of a part."""
    return loss.summarize(features) if masks is None else loss.summarize_masked(features, masks)
