"""The objective: extractor and losses as one module, picture → total and terms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from impasto.errors import PictureError, SettingsError
from impasto.model.extractor import IMAGE, Extractor, Features
from impasto.model.inputs import (
    by_name,
    refuse_other_layers,
    refuse_other_parts,
    refuse_other_shapes,
    refuse_other_wraps,
)
from impasto.model.loss import Loss, Summary, mix, summed
from impasto.model.masks import Region, at_layers, takes_masks
from impasto.model.ranks import Ranks
from impasto.model.returned import (
    refuse_changed_features,
    refuse_other_features,
    refuse_other_summaries,
    refuse_other_value,
    refuse_without_gradient,
    refuse_without_pixels,
)
from impasto.model.scopes import part, scope
from impasto.model.tiles import Reading, TiledSummaries, layer_sizes, with_gradient
from impasto.model.torus import periodic

StyleStatistics = dict[str, dict[str, Summary]]
"""What the objective keeps of a style picture: summaries by term and layer."""


CUT = 256
"""Side of a tile that the cache of a processor likes: at 1024 pixels the first two blocks of VGG take 0.7 of
the time in such tiles that they take as a whole, in bfloat16 with one thread."""
CUT_ON_GPU = 1024
"""The same of a GPU, which wants much to do at once."""


class Target(NamedTuple):
    """One thing that a term compares with."""

    weight: float | Tensor
    """Factor of this comparison within the term; of one among several styles a tensor, no dimensions, so that
    compiled code serves whatever weight it gets."""
    summaries: dict[str, Summary]
    """Summaries of the target picture by layer."""
    region: int | None = None
    """Index of the region among those that have a mask; None is the whole picture."""


class Objective(nn.Module):
    """Total loss of a picture. Nothing in it talks to the host computer, so it compiles whole.

    Targets, masks and factors are buffers that a state_dict leaves out: ``to``, ``copy.deepcopy`` and
    pickle take them along.
    """

    def __init__(
        self,
        extractor: Extractor,
        losses: Mapping[str, Loss] | Sequence[Loss],
        wraps: Sequence[int] = (),
    ) -> None:
        """Take the parts, and select the layers of the extractor that the losses need.

        Args:
            extractor: of this objective alone, since it keeps which layers were selected.
            losses: one or more, by the name of their term; or in order, then the terms have the names of
                their plugins, or of their classes.
            wraps: axes of the picture whose ends are neighbors, 3 for left to right and 2 for top to
                bottom, for seamless pictures.

        Raises:
            SettingsError: no losses, something else than an extractor and losses, a layer that the extractor
                does not have, or axes that wrap with an extractor that cannot.
        """
        super().__init__()
        losses = losses if isinstance(losses, Mapping) else by_name(losses)
        refuse_other_parts(extractor, losses)
        refuse_other_layers(extractor, losses)
        refuse_other_wraps(extractor, wraps)
        extractor.select(layer for loss in losses.values() for layer in loss.layers)
        self.extractor = extractor
        self.selected = extractor.selected
        self.losses = nn.ModuleDict(losses)
        self.wraps = tuple(wraps)
        extractor.wraps = self.wraps
        for loss in losses.values():
            loss.wraps = self.wraps
        self.names = tuple(losses)
        self.targets: dict[str, list[Target]] = {}
        self.scales = torch.ones(0)
        """Weight of each term, times its factor at this size, (number of losses,); a tensor, so that compiled
        code serves all."""
        self.regions: list[Region] = []
        """Which styles paint where, and with which weights."""
        self.of_styles: list[StyleStatistics] = []
        """The statistics of each style where there are several, so that their weights can be changed."""
        self.masks: list[dict[str, Tensor]] = []
        """Mask of each region that has one, by layer."""
        self.stage = 0
        """Index of the stage that the targets are for."""
        self.size: tuple[int, int] | None = None
        """Height and width of the content that the targets are for."""
        self._shapes: dict[str, torch.Size] = {}
        """Of the content's features, by layer."""
        self._sizes: dict[str, tuple[int, int]] = {}
        """Height and width of each layer for the content."""
        self._checked = False
        """Whether what the plugins return was checked, by the first evaluation after the targets."""
        self.tile: int | None = None
        """Hold the features of as many pixels as a square of this side has; None holds all. See
        :mod:`impasto.model.tiles`."""
        self.cut = CUT
        """Side, in pixels of the picture, of the largest tile of features that are not held."""
        self.ranks: Ranks | None = None
        """The processes that work on one picture, in tiles; None is this one alone."""
        self._register()

    @torch.no_grad()
    def style_statistics(self, style: Tensor, mask: Tensor | None = None) -> StyleStatistics:
        """The statistics of a style picture, for each term that compares with a style.

        Where axes wrap, they are those of the picture made periodic along them: features beside a border
        that is padded are like none of a canvas that has no border.

        Args:
            style: (1, 3, H, W) sRGB in [0, 1].
            mask: (1, 1, H, W), the part of it that counts; None is all of it.
        """
        style, names = periodic(style, self.wraps), self._terms_with("style")
        if self.tile is not None:
            return self._summaries_in_tiles(style, names, mask)
        features = self.features(style)
        masks = None if mask is None else at_layers(mask, sizes_of(features))
        return self._summaries(features, names, masks)

    def _terms_with(self, target: str) -> list[str]:
        """The terms that compare with the content, or with a style."""
        return [name for name in self.names if self.loss(name).target == target]

    def _summaries(
        self, features: Features, names: Sequence[str], masks: Mapping[str, Tensor] | None = None
    ) -> StyleStatistics:
        """Summaries by term."""
        found: StyleStatistics = {}
        for name in names:
            loss = self.loss(name)
            with scope(f"loss/{name}"):
                found[name] = loss.summarize_target(features, masks)
                refuse_other_summaries(loss, found[name])
        return found

    @torch.no_grad()
    def _summaries_in_tiles(
        self, image: Tensor, names: Sequence[str], mask: Tensor | None = None
    ) -> StyleStatistics:
        """Summaries by term, without holding the features of the whole picture."""
        refuse_other_shapes(image)
        masks = None
        if mask is not None:
            masks = at_layers(mask, layer_sizes(self.extractor, *image.shape[2:]))
        readings = [Reading(name, self.loss(name), masks) for name in names]
        assert self.tile is not None
        tiled = TiledSummaries(self.extractor, image, readings, self.tile, self.cut, self.ranks)
        for reading, found in zip(readings, tiled.found, strict=True):
            refuse_other_summaries(reading.loss, found)
        return dict(zip(names, tiled.found, strict=True))

    def terms_without_masks(self) -> list[str]:
        """The terms that compare with a style and can only do so with the whole picture."""
        return [term for term in self._terms_with("style") if not takes_masks(self.loss(term))]

    @torch.no_grad()
    def set_targets(
        self,
        content: Tensor,
        styles: Tensor | StyleStatistics | Sequence[Tensor | StyleStatistics],
        weights: Sequence[float] = (),
        regions: Sequence[Region] = (),
        stage: int = 0,
    ) -> Objective:
        """Summarize the targets; once for each stage.

        Args:
            content: (1, 3, H, W) sRGB in [0, 1].
            styles: one or more such pictures, of any sizes, or what :meth:`style_statistics` gave.
            weights: one for each style, with a sum of one; none weighs all alike.
            regions: with masks of the content's size, where styles are painted in parts; then their
                weights count.
            stage: index of the stage, from 0; weights may depend on it.

        Returns:
            The objective itself.

        Raises:
            PictureError: a tensor that is no picture.
            SettingsError: no style, or not one weight for each.
            PluginError: features or summaries that are none.
        """
        styles = [styles] if isinstance(styles, (Tensor, Mapping)) else list(styles)
        weights = tuple(weights) or (1 / max(1, len(styles)),) * len(styles)
        if not styles or len(weights) != len(styles):
            raise SettingsError(
                f"{len(weights)} weights for {len(styles)} styles; give one for each"
            )
        content = content.detach()
        self._checked = False
        of_content = self._of_content(content)
        self.size, self.stage = (content.shape[2], content.shape[3]), stage
        regions = regions or [Region(tuple(range(len(styles))), weights)]
        masked = [region.mask for region in regions if region.mask is not None]
        self.masks = [at_layers(mask, self._sizes) for mask in masked]
        of_styles = [
            self.style_statistics(style) if torch.is_tensor(style) else style for style in styles
        ]
        self.regions, self.of_styles = list(regions), of_styles if len(of_styles) > 1 else []
        for name in self.names:
            loss = self.loss(name)
            with scope(f"loss/{name}"):
                if loss.target == "content":
                    self.targets[name] = [Target(1.0, of_content[name])]
                elif loss.target == "style":
                    summaries = [style[name] for style in of_styles]
                    self.targets[name] = region_targets(loss, summaries, regions, content)
                else:
                    self.targets[name] = [Target(1.0, {})]
        self.scales = self._scales(content)
        self._register()
        return self

    def _scales(self, like: Tensor) -> Tensor:
        """Weights of the terms times their factors at this size, (number of losses,); like another tensor."""
        losses, side = [self.loss(name) for name in self.names], max(self.size or (1, 1))
        factors = like.new_tensor([loss.scale_at(side, self.stage) for loss in losses])
        return like.new_tensor([loss.weight for loss in losses]) * factors

    @torch.no_grad()
    def set_weight(self, name: str, weight: float) -> None:
        """Change the weight of a term, also in code that is compiled already.

        Args:
            name: of the term.
            weight: 0 or more.
        """
        self.loss(name).weight = weight
        if len(self.scales):
            self.scales.copy_(self._scales(self.scales))

    @torch.no_grad()
    def set_style_weights(self, weights: Sequence[float]) -> None:
        """Change the weights of the styles, also in code that is compiled already.

        Args:
            weights: one for each style, 0 or more, with a sum above 0 in each region.
        """
        self.regions = [region.weighted(weights) for region in self.regions]
        for name in self._terms_with("style") if self.of_styles else ():
            summaries = [style[name] for style in self.of_styles]
            with scope(f"loss/{name}"):
                # New tensors: losses keep what they have computed from the old ones.
                self.targets[name] = region_targets(
                    self.loss(name), summaries, self.regions, self.scales
                )
        self._register()

    def before_step(self, run: Any) -> None:
        """Let the losses change what changes from step to step; see :meth:`Loss.before_step`."""
        for name in self.names:
            if type(self.loss(name)).before_step is not Loss.before_step:
                with scope(f"loss/{name}"):
                    self.loss(name).before_step(run)

    def restarts(self, steps: int) -> tuple[int, ...]:
        """Steps of the last stage before which a loss starts anew, in order; see :meth:`Loss.restarts`."""
        found = set[int]()
        for name in self.names:
            with scope(f"loss/{name}"):
                found.update(int(step) for step in self.loss(name).restarts(steps))
        return tuple(sorted(step for step in found if 0 <= step < steps))

    def joined(self, statistics: Sequence[StyleStatistics]) -> StyleStatistics:
        """The statistics of several pictures of one style as those of one.

        Raises:
            SettingsError: a loss cannot; see :meth:`Loss.join_targets`.
        """
        return {
            name: self.loss(name).join_targets([one[name] for one in statistics])
            for name in statistics[0]
        }

    def _of_content(self, content: Tensor) -> StyleStatistics:
        """The summaries of the content picture by term, for each that compares with it."""
        names = self._terms_with("content")
        if self.tile is not None:
            self._shapes, self._sizes = {}, layer_sizes(self.extractor, *content.shape[2:])
            return self._summaries_in_tiles(content, names)
        features = self.features(content)
        self._shapes = {layer: features[layer].shape for layer in self.selected}
        self._sizes = sizes_of(features)
        return self._summaries(features, names)

    def _register(self) -> None:
        """Make each tensor of the targets, factors and masks a buffer, once."""
        tensors: dict[int, Tensor] = {}
        for part_of_it in (self.targets, self.scales, self.masks, self.of_styles):
            mapped(part_of_it, lambda tensor: tensors.setdefault(id(tensor), tensor))
        for name in [name for name, _ in self.named_buffers(recurse=False)]:
            delattr(self, name)
        for number, tensor in enumerate(tensors.values()):
            self.register_buffer(f"target_{number}", tensor, persistent=False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Objective:
        before = dict(self.named_buffers(recurse=False))
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        after = dict(self.named_buffers(recurse=False))
        moved = {id(tensor): after[name] for name, tensor in before.items()}
        for name in ("targets", "scales", "masks", "of_styles"):
            setattr(self, name, mapped(getattr(self, name), lambda tensor: moved[id(tensor)]))
        return self

    def features(self, image: Tensor) -> Features:
        """Features of the selected layers, and the picture itself as the layer ``image``.

        Args:
            image: (1, 3, H, W) sRGB in [0, 1].

        Raises:
            PictureError: another shape or type.
        """
        if not torch.compiler.is_compiling():
            self._check(image)
        features: Features = {IMAGE: image}
        if self.extractor.selected:
            with part("extractor/forward"):
                found = self.extractor(image)
                if self.is_new:
                    refuse_other_features(self.extractor, self.selected, found)
                features |= found
        return features

    @property
    def is_new(self) -> bool:
        """Whether what the plugins return is to be checked; never in code that is compiled."""
        return not torch.compiler.is_compiling() and not self._checked

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The total and its terms.

        Args:
            image: (1, 3, H, W) sRGB, of the content's size.

        Returns:
            The sum of the terms, no dimensions; and the weighted terms, (number of losses,), in the order
            of ``names``.

        Raises:
            PictureError: another shape, type or size.
            SettingsError: no targets were set.
            PluginError: in the first evaluation, features or the value of a loss that are none.
        """
        if not torch.compiler.is_compiling():
            self._check_targets(image)
        if self.tile is not None:
            return with_gradient(self._in_tiles, image)
        features = self.features(image)
        if self.is_new:
            with scope("extractor/forward"):
                refuse_changed_features(self.extractor, image, features, self._shapes)
        terms = []
        for name in self.names:
            with part(f"loss/{name}"):
                terms.append(summed(self.parts(name, features)))
        if not torch.compiler.is_compiling():
            self._checked = True
        vector = self._weighted(terms)
        return vector.sum(), vector

    def _check(self, image: Tensor) -> None:
        refuse_other_shapes(image)
        if self.extractor.selected != self.selected:
            raise SettingsError(
                "the extractor's layers were selected anew; give each objective an extractor of its own"
            )

    def _check_targets(self, image: Tensor) -> None:
        if self.size is None:
            raise SettingsError("the objective has no targets yet: call set_targets first")
        refuse_other_shapes(image)
        if self.size != image.shape[2:]:
            height, width = self.size
            raise PictureError(
                f"the image is {image.shape[3]} × {image.shape[2]} pixels and the content"
                f" {width} × {height}; they need one size"
            )

    def _weighted(self, terms: Sequence[Tensor]) -> Tensor:
        """The weighted terms, (number of losses,)."""
        return self.scales * torch.stack([term.to(self.scales.dtype) for term in terms])

    def parts(self, name: str, features: Features) -> list[Tensor]:
        """What a term is the sum of, before its weight: one comparison for each target."""
        loss = self.loss(name)
        summaries = {
            place: summarize(loss, features, None if place is None else self.masks[place])
            for place in self.places(name)
        }
        parts = self._compared(name, summaries)
        if self.is_new:
            for value in parts:
                refuse_without_gradient(loss, value, features[IMAGE])
        return parts

    def places(self, name: str) -> list[int | None]:
        """The regions in which a term compares, each once."""
        return list(dict.fromkeys(target.region for target in self.targets[name]))

    def _compared(
        self, name: str, summaries: Mapping[int | None, dict[str, Summary]]
    ) -> list[Tensor]:
        """The comparisons of a term with its targets, given the summaries of each region."""
        loss, parts = self.loss(name), []
        for target in self.targets[name]:
            value = loss.compare(summaries[target.region], target.summaries)
            if self.is_new:
                refuse_other_value(loss, value)
            weight = target.weight
            parts.append(value if isinstance(weight, float) and weight == 1 else weight * value)
        return parts

    def _in_tiles(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """The terms, and the gradient of their sum, without holding the features of the whole picture.

        Args:
            image: (1, 3, H, W) sRGB, of the content's size.

        Returns:
            Total and terms as :meth:`forward` gives them; the gradient of the picture, (1, 3, H, W), or None
            where the picture needs none.
        """
        assert self.tile is not None
        places = [(name, place) for name in self.names for place in self.places(name)]
        readings = [
            Reading(name, self.loss(name), None if place is None else self.masks[place])
            for name, place in places
        ]
        tiled = TiledSummaries(self.extractor, image, readings, self.tile, self.cut, self.ranks)
        found: dict[str, dict[int | None, dict[str, Summary]]] = {name: {} for name in self.names}
        for (name, place), summaries in zip(places, tiled.found, strict=True):
            found[name][place] = summaries
        terms = []
        for name in self.names:
            with part(f"loss/{name}"):
                terms.append(summed(self._compared(name, found[name])))
        vector = self._weighted(terms)
        total = vector.sum()
        self._checked = True
        if not total.requires_grad:
            return total, vector, None
        with part("backward"):
            torch.autograd.backward(total)
        total, vector = total.detach(), vector.detach()
        # They would keep the summaries in memory while features are computed again.
        del terms, found, summaries
        return total, vector, tiled.gradient()

    def loss(self, name: str) -> Loss:
        """The loss of a term."""
        loss = self.losses[name]
        assert isinstance(loss, Loss)
        return loss


def sizes_of(features: Features) -> dict[str, tuple[int, int]]:
    """Height and width by layer."""
    return {layer: (feature.shape[2], feature.shape[3]) for layer, feature in features.items()}


def style_targets(
    loss: Loss,
    summaries: Sequence[dict[str, Summary]],
    weights: Sequence[float],
    like: Tensor,
    area: float = 1.0,
) -> list[Target]:
    """What a style loss compares with: sums are mixed into one target, others stay one a style.

    Args:
        loss: its ``summary`` decides which.
        summaries: of each style picture, by layer.
        weights: one for each, with a sum of one.
        like: a tensor with the precision, and on the device, of the comparisons.
        area: of the region that the styles paint, as a part of the picture.
    """
    if loss.summary == "sum" and len(summaries) > 1:
        for summary in summaries:
            refuse_without_pixels(loss, summary)
        return [Target(area, mix(summaries, weights))]
    if len(summaries) == 1:
        return [Target(area * weights[0], summaries[0])]
    return [
        Target(like.new_tensor(area * weight), summary)
        for weight, summary in zip(weights, summaries, strict=True)
    ]


def region_targets(
    loss: Loss,
    summaries: Sequence[dict[str, Summary]],
    regions: Sequence[Region],
    like: Tensor,
) -> list[Target]:
    """The targets of each region, which counts by its area and its strength.

    Args:
        loss: of the term.
        summaries: of each style picture, by layer.
        regions: which styles paint where.
        like: see :func:`style_targets`.
    """
    targets: list[Target] = []
    masked = 0
    for region in regions:
        of_region = [summaries[place] for place in region.styles]
        counts = region.area * region.strength
        own = style_targets(loss, of_region, region.weights, like, counts)
        if region.mask is None:
            targets += own
            continue
        targets += [target._replace(region=masked) for target in own]
        masked += 1
    return targets


def summarize(
    loss: Loss, features: Features, masks: Mapping[str, Tensor] | None
) -> dict[str, Summary]:
    """Summaries by layer, of the whole picture or of a part."""
    return loss.summarize(features) if masks is None else loss.summarize_masked(features, masks)


def mapped(structure: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """A structure of dictionaries, lists and targets with each tensor in it changed."""
    if isinstance(structure, Tensor):
        return change(structure)
    if isinstance(structure, dict):
        return {key: mapped(value, change) for key, value in structure.items()}
    if isinstance(structure, Target):
        weight = structure.weight
        return structure._replace(
            weight=change(weight) if isinstance(weight, Tensor) else weight,
            summaries=mapped(structure.summaries, change),
        )
    return [mapped(value, change) for value in structure]
