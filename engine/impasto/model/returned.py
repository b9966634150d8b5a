"""What plugins return: checked when it comes for the first time, and refused with the line of their code.

A wrong value that is let through shows much later, in a part that did nothing wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeGuard

import torch
from torch import Tensor, nn

from impasto.errors import PluginError, defined_at, with_place

OUT_OF_RANGE = 0.1
"""Mean distance of a new canvas's pixels from [0, 1] from which on its picture must mean something else."""


KEEP_GRADIENT = "compute it from the {} with torch, without detach, item, numpy or no_grad"
"""What to do, by what the tensor is computed from."""


def refuse_other_features(extractor: nn.Module, selected: Sequence[str], features: object) -> None:
    """Refuse what are no features of the selected layers.

    Args:
        extractor: returned them.
        selected: layers that were asked for.
        features: of one picture.

    Raises:
        PluginError: with what was returned and what is wanted.
    """
    who = _named(extractor, "forward")
    wanted = f"return a tensor (1, C, h, w) for each of self.selected: {', '.join(selected)}"
    if not isinstance(features, Mapping):
        raise PluginError(f"{who} returned {_kind(features)}, not a dict; {wanted}")
    for layer in selected:
        if layer not in features:
            raise PluginError(f"{who} left out the layer '{layer}'; {wanted}")
        given = features[layer]
        if not _is_real(given) or given.dim() != 4 or given.shape[0] != 1:
            raise PluginError(f"{who} returned {_kind(given)} for the layer '{layer}'; {wanted}")


def refuse_changed_features(
    extractor: nn.Module,
    image: Tensor,
    features: Mapping[str, Tensor],
    shapes: Mapping[str, torch.Size],
) -> None:
    """Refuse features that do not depend on the picture, or have another shape than before.

    Args:
        extractor: returned them.
        image: (1, 3, H, W), the picture.
        features: of the picture, by layer.
        shapes: by layer, those for another picture of the same size.

    Raises:
        PluginError: with what was returned and what is wanted.
    """
    who = _named(extractor, "forward")
    for layer, shape in shapes.items():
        given, there = features[layer], f"for the layer '{layer}'"
        if given.shape != shape:
            raise PluginError(
                f"{who} returned {_kind(given)} {there}, and before one of {tuple(shape)} for a picture of"
                " the same size; return the same shape each time"
            )
        if _lost_gradient(given, image):
            raise PluginError(
                f"{who} returned a tensor without a gradient {there}; {KEEP_GRADIENT.format('picture')}"
            )


def refuse_other_summaries(loss: nn.Module, summaries: object) -> None:
    """Refuse what are no summaries, by layer, of one picture.

    Raises:
        PluginError: with what was returned and what is wanted.
    """
    who, wanted = _named(loss, "summarize", "summarize_layer"), "return a dict of tensors by name"
    if not isinstance(summaries, Mapping):
        raise PluginError(f"{who} returned {_kind(summaries)}; return a dict of summaries by layer")
    for summary in summaries.values():
        if not isinstance(summary, Mapping):
            raise PluginError(f"{who} returned {_kind(summary)}; {wanted}")
        for name, value in summary.items():
            if not isinstance(value, Tensor):
                raise PluginError(f"{who} returned {_kind(value)} under '{name}'; {wanted}")


def refuse_without_pixels(loss: nn.Module, summaries: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Refuse sums over pixels that cannot be mixed with those of other pictures.

    Raises:
        PluginError: the number of pixels is missing.
    """
    if any("pixels" not in summary for summary in summaries.values()):
        raise PluginError(
            f"{_named(loss, 'summarize', 'summarize_layer')} has no 'pixels' in its summary, the number of"
            " pixels that it sums over; without it several styles cannot be mixed: return it, or set"
            " summary = 'whole'"
        )


def refuse_other_value(loss: nn.Module, value: object) -> None:
    """Refuse what is not the value of a loss.

    Raises:
        PluginError: with what was returned and what is wanted.
    """
    if not _is_real(value) or value.dim():
        raise PluginError(
            f"{_named(loss, 'compare', 'compare_layer')} returned {_kind(value)}; return one number, a"
            " tensor of no dimensions"
        )


def refuse_without_gradient(loss: nn.Module, value: Tensor, image: Tensor) -> None:
    """Refuse the value of a loss that does not depend on the picture.

    Raises:
        PluginError: with what to do.
    """
    if _lost_gradient(value, image):
        raise PluginError(
            f"{_named(loss, 'compare', 'compare_layer')} returned a tensor without a gradient;"
            f" {KEEP_GRADIENT.format('summary')}"
        )


def refuse_other_parameters(canvas: nn.Module) -> None:
    """Refuse a canvas that has nothing to optimize, or what optimizers cannot view as one vector.

    Raises:
        PluginError: with what is wanted.
    """
    who = _named(canvas, "__init__")
    if not any(parameter.requires_grad for parameter in canvas.parameters()):
        raise PluginError(
            f"{who}: the canvas has no parameters to optimize; keep them as torch.nn.Parameter"
        )
    for name, parameter in canvas.named_parameters():
        if not parameter.is_contiguous():
            raise PluginError(
                f"{who}: its parameter '{name}' is not contiguous; call .contiguous() on the tensor"
            )


def refuse_other_picture(canvas: nn.Module, image: object, like: Tensor, fresh: bool) -> None:
    """Refuse what is not the picture of a canvas.

    Args:
        canvas: returned it.
        image: what it returned.
        like: (1, 3, H, W), the picture that it was made from.
        fresh: whether nothing was optimized yet; then its values are looked at, too.

    Raises:
        PluginError: with what was returned and what is wanted.
    """
    who, size = _named(canvas, "forward"), tuple(like.shape)
    wanted = f"return the picture as {size}, float32 sRGB in [0, 1]"
    if not _is_real(image) or image.shape != like.shape or image.dtype.itemsize < 4:
        raise PluginError(f"{who} returned {_kind(image, fewest_bytes=4)}; {wanted}")
    if torch.is_grad_enabled() and not image.requires_grad:
        raise PluginError(
            f"{who} returned a tensor without a gradient; {KEEP_GRADIENT.format('parameters')}"
        )
    if fresh and not image.is_meta:
        outside = (image - image.clamp(0, 1)).detach().abs().mean()
        if outside > OUT_OF_RANGE:
            low, high = image.min().item(), image.max().item()
            raise PluginError(f"{who} returned values from {low:.3g} to {high:.3g}; {wanted}")


def _lost_gradient(value: Tensor, image: Tensor) -> bool:
    return torch.is_grad_enabled() and image.requires_grad and not value.requires_grad


def _named(thing: object, *methods: str) -> str:
    """A method of a plugin's class and where it is written: the first that the plugin wrote itself."""
    kind = type(thing)
    for name in methods:
        method = getattr(kind, name)
        if not method.__module__.startswith("impasto.model."):
            return with_place(f"{kind.__name__}.{name}", defined_at(method))
    return with_place(kind.__name__, defined_at(kind))


def _is_real(value: object) -> TypeGuard[Tensor]:
    return isinstance(value, Tensor) and value.is_floating_point()


def _kind(value: object, fewest_bytes: int = 1) -> str:
    """What a value is, in words: ``nothing``, ``float``, ``a tensor of shape (3, 4)``."""
    if value is None:
        return "nothing"
    if not isinstance(value, Tensor):
        return type(value).__name__
    # Features and values have the network's precision, the picture has at least float32.
    if value.is_floating_point() and value.dtype.itemsize >= fewest_bytes:
        return f"a tensor of shape {tuple(value.shape)}"
    return f"a tensor of {str(value.dtype).removeprefix('torch.')}"
