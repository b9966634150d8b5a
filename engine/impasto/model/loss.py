"""What a loss is: one weighted term of the objective, written as *summarize, then compare*."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from impasto.errors import SettingsError, unknown
from impasto.model.extractor import IMAGE, Features
from impasto.model.returned import refuse_other_value
from impasto.model.torus import around
from impasto.settings.spec import Spec

Summary = dict[str, Tensor]
"""What a loss keeps of one layer: tensors by name."""

Weight = Annotated[float, Field(ge=0, description="strength of the term")]
"""Type of the option ``weight``."""
Layers = Annotated[tuple[str, ...], Field(min_length=1, description="layers that are compared")]
"""Type of the option ``layers``."""
LayerWeights = Annotated[
    tuple[Annotated[float, Field(ge=0)], ...],
    Field(description="weight of each layer; empty weighs all alike, with a sum of one"),
]
"""Type of the option ``layer_weights``."""

Fade = Annotated[
    float,
    Field(ge=0, le=4, description="at n times 128 pixels the term is divided by this power of n"),
]
"""Type of the option ``fade``, for losses that keep it under that name."""
ByStage = Annotated[
    float,
    Field(ge=0, le=16, description="factor of the weight from each stage to the next; 1 keeps it"),
]
"""Type of the option ``by_stage``, which every loss has."""
STYLE_LAYERS = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
"""Layers that losses compare with a style: those of Gatys, Ecker and Bethge, CVPR 2016, figure 3."""
DEFAULT_LAYERS = {"style": STYLE_LAYERS, "content": ("conv4_2",), "none": (IMAGE,)}
"""Layers of a loss that names none, by its target."""

FADES_FROM = 128
"""Longer side, pixels, up to which a term that fades counts in full: a pyramid's coarsest stage."""


class Loss(nn.Module):
    """A term: summarizes each of its layers, and compares the summaries with those of a target.

    A subclass writes :meth:`summarize_layer` and :meth:`compare_layer`; the sum over layers is done
    here. One that does not work layer by layer overrides :meth:`summarize` and :meth:`compare`.

    A subclass may set ``weight``, ``layers`` and ``layer_weights`` as attributes of the class: then these are
    what counts unless others are given when it is made.
    """

    weight: float = 1.0
    """Factor of the term, 0 or more."""
    layers: tuple[str, ...] = ()
    """Names of the layers that are compared. Of a class that names none: the layers of Gatys et al. 2016,
    ``conv1_1`` to ``conv5_1`` for ``target = "style"`` and ``conv4_2`` for ``"content"``; the picture for
    ``"none"``."""
    layer_weights: tuple[float, ...] = ()
    """One for each layer, 0 or more; none weighs all alike, with a sum of one."""
    target: ClassVar[Literal["content", "style", "none"]] = "style"
    """Which picture the target is summarized from; ``none`` compares with nothing."""
    summary: ClassVar[Literal["sum", "map", "whole"]] = "sum"
    """What a summary is. ``sum``: a sum over pixels, with the number of pixels under the key
    ``pixels``, so that summaries of parts or of several pictures add up. ``map``: one value for each
    pixel, and the comparison is a mean over pixels. ``whole``: neither; needs the whole picture, and
    several styles are compared with one by one, and the terms averaged by their weights."""
    precision: ClassVar[Literal["full", "network"]] = "full"
    """Precision of the features that it gets: ``full`` is float32 at least; ``network`` is the network's
    own, for a loss that itself takes its sums and differences in full precision (see :func:`full`)."""

    wraps: tuple[int, ...] = ()
    """Axes of a feature, 3 for left to right and 2 for top to bottom, whose ends are neighbors: of a seamless
    canvas and its content, never of a style picture. The engine sets it; see :meth:`around`."""

    spec: Spec | None = None
    """The SPEC that the engine made the loss from; None for one that was made in Python."""

    fade: float = 0.0
    """How much less the term counts in finer stages, as a power of their length. What a coarse stage has
    painted over the content, a finer one sees at a scale at which the style has little to say, and would
    take back: a large picture would be painted more timidly than a small one."""

    by_stage: float = 1.0
    """Factor of the weight from each stage of a run to the next, 0 or more: 0.5 halves it with each."""

    def __init__(
        self,
        weight: float | None = None,
        layers: Sequence[str] | None = None,
        layer_weights: Sequence[float] = (),
    ) -> None:
        """Keep what every loss has.

        Args:
            weight: factor of the term, 0 or more; None takes that of the class.
            layers: names of layers; ``image`` is the picture itself. None takes those of the class.
            layer_weights: one for each layer, 0 or more; none takes those of the class.

        Raises:
            SettingsError: not as many layer weights as layers, or a layer twice.
            TypeError: something else than a weight and names of layers.
        """
        super().__init__()
        weight = self.weight if weight is None else weight
        layers = layers_of(type(self)) if layers is None else layers
        layer_weights = layer_weights or self.layer_weights
        refuse_other_values(weight, layers)
        if layer_weights and len(layer_weights) != len(layers):
            raise SettingsError(
                f"{len(layer_weights)} layer_weights for {len(layers)} layers; give one for each"
            )
        if len(set(layers)) != len(layers):
            raise SettingsError(f"layers names a layer twice: {', '.join(layers)}")
        self.weight = weight
        self.layers = tuple(layers)
        self.layer_weights = tuple(layer_weights) or (1.0 / len(self.layers),) * len(self.layers)

    def __init_subclass__(cls, **more: Any) -> None:
        """Refuse what a subclass sets wrong, and let its options have its own defaults.

        Raises:
            ValueError: another target, summary or precision.
            TypeError: something else than a weight and names of layers.
        """
        super().__init_subclass__(**more)
        for name, allowed in CHOICES.items():
            if (value := getattr(cls, name)) not in allowed:
                raise ValueError(unknown(name, str(value), allowed))
        refuse_other_values(cls.weight, layers_of(cls))
        # Of a class that has an __init__ of its own, the options are that one's.
        own = cls.__init__ is not Loss.__init__
        cls.__signature__ = None if own else _signature(cls)  # type: ignore[attr-defined]

    def scale_at(self, length: int, stage: int = 0) -> float:
        """Factor of the term, 0 or more.

        Args:
            length: longer side of the picture, pixels.
            stage: index of the stage, from 0.
        """
        return float(max(1.0, length / FADES_FROM) ** -self.fade * self.by_stage**stage)

    def before_step(self, run: Any) -> None:
        """Called before each step of a run; does nothing unless a subclass writes it.

        For what changes from step to step, as sampled positions. It must follow from the seed, the number of
        the step and the picture then, or be kept by :meth:`state`, so that a resumed run goes on as it would
        have. Buffers that change in place are seen by a compiled objective.

        Args:
            run: an :class:`impasto.Run`; its ``step`` is the number of steps done so far, over all stages.
        """

    def restarts(self, steps: int) -> Sequence[int]:
        """Steps of the last stage, counted from 0, before which the loss starts anew; none by default.

        They matter to an estimate of the run's time alone: the step itself, and those after it, may take
        another time than the stage's first ones, as where neighbors are searched for anew.

        Args:
            steps: of that stage.
        """
        return ()

    def state(self) -> dict[str, Tensor]:
        """What checkpoints keep of the loss, beside what follows from the step: tensors by name."""
        return {}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what :meth:`state` gave; called before the targets' first comparison."""

    def forward(self, features: Features, target: Features | None = None) -> Tensor:
        """The term by itself, with its weight: a tensor of no dimensions, with a gradient.

        Args:
            features: by layer, (1, C, h, w) each; of the layer ``image`` sRGB in [0, 1].
            target: those of the picture that is compared with; None for a loss with
                ``target = "none"``.

        Raises:
            SettingsError: a layer that the features do not have; no target where one is needed.
        """
        if target is None and self.target != "none":
            raise SettingsError(
                f"{type(self).__name__} compares with a {self.target} picture: give its features as target"
            )
        for given in (features, target or features):
            if missing := [layer for layer in self.layers if layer not in given]:
                raise SettingsError(
                    f"{type(self).__name__} compares the layer '{missing[0]}', which the features do not"
                    f" have; they have {', '.join(given) or 'none'}"
                )
        wanted = {} if target is None or self.target == "none" else self.summarize_target(target)
        value = self.compare(self.summarize(features), wanted)
        refuse_other_value(self, value)
        return self.weight * value

    def summarize(self, features: Features) -> dict[str, Summary]:
        """Summaries of all layers of the term, in float32 at least."""
        return {layer: self.summary_of(features[layer]) for layer in self.layers}

    def summarize_target(
        self, features: Features, masks: Mapping[str, Tensor] | None = None
    ) -> dict[str, Summary]:
        """Summaries of all layers of a target, the style or the content: those of :meth:`summarize`.

        A loss that keeps something else of a target than of the canvas overrides it: a larger sample, for
        instance. They must follow from the picture and the seed alone.

        Args:
            features: of the target picture.
            masks: of the part of it that counts, by layer, (1, 1, h, w) in [0, 1]; None is all of it.
        """
        return self.summarize(features) if masks is None else self.summarize_masked(features, masks)

    def join_targets(self, summaries: Sequence[dict[str, Summary]]) -> dict[str, Summary]:
        """One target of several pictures of one style, as its turned copies.

        Sums are mixed. A loss with ``summary = "whole"`` overrides it, or refuses such styles.

        Args:
            summaries: of :meth:`summarize_target`, one for each picture.

        Raises:
            SettingsError: the loss cannot.
        """
        if self.summary != "sum":
            raise SettingsError(
                f"{type(self).__name__} cannot take turned copies of a style as one picture: losses that sum"
                " over pixels can, and neural_neighbors; or set style_turns 1",
                settings=("style_turns",),
            )
        return mix(summaries, [1 / len(summaries)] * len(summaries))

    def summarize_masked(
        self, features: Features, masks: Mapping[str, Tensor]
    ) -> dict[str, Summary]:
        """Summaries of all layers, of a part of the picture: masks by layer, (1, 1, h, w) in [0, 1]."""
        return {layer: self.summary_of(features[layer], masks[layer]) for layer in self.layers}

    def summary_of(self, feature: Tensor, mask: Tensor | None = None) -> Summary:
        """The summary of one layer, or of a part of it, from features in the network's precision."""
        given = full(feature) if self.precision == "full" else feature
        return self.summarize_layer(given) if mask is None else self.summarize_region(given, mask)

    def compare(self, summary: Mapping[str, Summary], target: Mapping[str, Summary]) -> Tensor:
        """The term before its weight: the weighted sum over layers, a tensor of no dimensions."""
        parts = []
        for layer, weight in zip(self.layers, self.layer_weights, strict=True):
            part = self.compare_layer(summary[layer], target.get(layer, {}))
            refuse_other_value(self, part)
            parts.append(part if weight == 1 else weight * part)
        return summed(parts)

    def summarize_layer(self, feature: Tensor) -> Summary:
        """What the term keeps of one layer.

        Args:
            feature: (1, C, h, w), float32 or float64; of the layer ``image`` sRGB in [0, 1]. With
                ``precision = "network"`` it may be of half precision.
        """
        raise NotImplementedError

    def summarize_region(self, feature: Tensor, mask: Tensor) -> Summary:
        """What the term keeps of one layer within a mask: each pixel counts by the mask's value.

        Only losses with ``summary = "sum"`` can write this; without it masks are refused.

        Args:
            feature: as in :meth:`summarize_layer`.
            mask: (1, 1, h, w) in [0, 1].
        """
        raise NotImplementedError

    def compare_layer(self, summary: Summary, target: Summary) -> Tensor:
        """How far a summary is from the target's: a tensor of no dimensions, 0 or more.

        Args:
            summary: of the canvas.
            target: of the target picture; empty where the loss has ``target = "none"``.
        """
        raise NotImplementedError

    def around(self, feature: Tensor, before: int, after: int) -> Tensor:
        """A feature with pixels of its other end added along the axes that wrap; as it is where none does.

        For a loss that looks at neighbors: ``near = self.around(feature, 0, 1)`` has one more column for the
        difference of the last one and the first.

        Args:
            feature: (1, C, h, w).
            before: pixels to add above and on the left.
            after: the same below and on the right.
        """
        return around(feature, before, after, self.wraps)

    def extra_repr(self) -> str:
        return f"weight={self.weight:g}, layers={','.join(self.layers)}"


def of_every_loss(by_stage: ByStage = 1.0) -> None:
    """The options that every loss has besides those of its factory, in its attributes of that name."""


CHOICES = {
    "target": ("content", "style", "none"),
    "summary": ("sum", "map", "whole"),
    "precision": ("full", "network"),
}
"""What a subclass may set, by the name of the attribute."""


def layers_of(loss: type[Loss]) -> Sequence[str]:
    """The layers of a class of losses, which counts if no others are given."""
    named: Sequence[str] = loss.layers
    return DEFAULT_LAYERS[loss.target] if named == () else named


def refuse_other_values(weight: object, layers: object) -> None:
    """Refuse what cannot be the weight and the layers of a loss.

    Raises:
        TypeError: with what was given and what is wanted.
    """
    if (
        isinstance(weight, bool)
        or not isinstance(weight, int | float)
        or not 0 <= weight < math.inf
    ):
        raise TypeError(f"weight must be a number of 0 or more, not {weight!r}")
    listed = isinstance(layers, (tuple, list)) and all(isinstance(one, str) for one in layers)
    if not (listed and layers):
        raise TypeError(f"layers must be a list of names, as ('conv1_1',), not {layers!r}")


def _signature(loss: type[Loss]) -> inspect.Signature:
    """How a class that has no ``__init__`` of its own is made: the attributes are the defaults."""
    options = {
        "weight": (Weight, loss.weight),
        "layers": (Layers, tuple(layers_of(loss))),
        "layer_weights": (LayerWeights, loss.layer_weights),
    }
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Signature([
        inspect.Parameter(name, kind, default=default, annotation=annotation)
        for name, (annotation, default) in options.items()
    ])  # fmt: skip


def mix(summaries: Sequence[Mapping[str, Summary]], weights: Sequence[float]) -> dict[str, Summary]:
    """The weighted mean of several pictures' summaries, each counted as if it had equal pixels.

    Args:
        summaries: of one loss with ``summary = "sum"``, by layer.
        weights: one for each, with a sum of one.

    Returns:
        Summaries by layer, for as many pixels as the first picture has.
    """
    mixed: dict[str, Summary] = {}
    for layer, first in summaries[0].items():
        scaled = [
            weight * (first["pixels"] / summary[layer]["pixels"])
            for summary, weight in zip(summaries, weights, strict=True)
        ]
        mixed[layer] = {
            key: torch.stack(
                [
                    factor * summary[layer][key]
                    for factor, summary in zip(scaled, summaries, strict=True)
                ]
            ).sum(0)
            for key in first
        }
    return mixed


def constant(value: float, like: Tensor) -> Tensor:
    """A number as a tensor of no dimensions, with the precision of a tensor, where that lies.

    For what a summary counts, as pixels. The same numbers are the same tensors: they must not be changed.
    """
    if torch.compiler.is_compiling() or like.device.type == "meta":
        return like.new_full((), value)
    key = (value, like.dtype, like.device)
    if key not in _constants:
        if len(_constants) >= MOST_CONSTANTS:
            _constants.clear()
        _constants[key] = like.new_full((), value)
    return _constants[key]


MOST_CONSTANTS = 1000
_constants: dict[tuple[float, torch.dtype, torch.device], Tensor] = {}


def summed(parts: Sequence[Tensor]) -> Tensor:
    """The sum of tensors of no dimensions. Each operation costs, on a GPU as much as a large one."""
    return torch.stack(list(parts)).sum() if len(parts) > 1 else parts[0]


def full(feature: Tensor) -> Tensor:
    """The tensor in float32, or as it is where its precision is higher."""
    return feature.to(torch.promote_types(feature.dtype, torch.float32))
