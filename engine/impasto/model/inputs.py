"""What an objective is made of and what it is given: named, and refused where it is something else."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence

from torch import Tensor

from impasto.errors import PictureError, SettingsError, unknown
from impasto.model.extractor import IMAGE, Extractor
from impasto.model.loss import Loss
from impasto.settings.spec import Spec


def by_name(losses: Sequence[Loss]) -> dict[str, Loss]:
    """Losses by names for their terms: that of the plugin, or of the class; numbered from the second on.

    Args:
        losses: in the order of their terms.
    """
    named: dict[str, Loss] = {}
    for loss in losses:
        spec: Spec | None = getattr(loss, "spec", None)
        # Modules of torch cannot have a dot in their name.
        of_plugin = spec.name.replace(".", "_") if spec and not spec.is_object else ""
        name = of_plugin or type(loss).__name__
        named[distinct(name, named)] = loss
    return named


def distinct(name: str, taken: Collection[str]) -> str:
    """The name; where it is taken, the first of ``name-2``, ``name-3`` … that is free."""
    numbered = (f"{name}-{number}" for number in itertools.count(2))
    return next(free for free in itertools.chain([name], numbered) if free not in taken)


def refuse_other_parts(extractor: object, losses: Mapping[str, object]) -> None:
    """Refuse what an objective cannot be made of.

    Raises:
        SettingsError: with what was given and what is wanted.
    """
    if not isinstance(extractor, Extractor):
        raise SettingsError(f"the extractor is {_kind(extractor)}, not an impasto.Extractor")
    for name, loss in losses.items():
        if not isinstance(loss, Loss):
            raise SettingsError(f"the loss '{name}' is {_kind(loss)}, not an impasto.Loss")
    if not losses:
        raise SettingsError("an objective needs one loss at least")


def refuse_other_layers(extractor: Extractor, losses: Mapping[str, Loss]) -> None:
    """Refuse a loss that compares a layer which the extractor does not have.

    Raises:
        SettingsError: with the loss, and the layers that there are.
    """
    there = [*extractor.layers, IMAGE]
    for name, loss in losses.items():
        for layer in loss.layers:
            if layer not in there:
                raise SettingsError(
                    f"loss '{name}': {unknown('layer', layer, there)}; give it layers that this extractor"
                    " has",
                    settings=("loss",),
                )


def refuse_other_wraps(extractor: Extractor, wraps: Sequence[int]) -> None:
    """Refuse axes that wrap if they are none of a picture, or the extractor cannot.

    Raises:
        SettingsError: with what to do.
    """
    if not {*wraps} <= {2, 3} or len({*wraps}) != len(wraps):
        raise SettingsError(f"axes that wrap must be of 2 and 3, not {tuple(wraps)!r}")
    if wraps and not extractor.can_wrap:
        raise SettingsError(
            f"the extractor {type(extractor).__name__} paints no seamless pictures, as it does not say"
            " can_wrap = True; vgg19, vgg16 and their kin do",
            settings=("seamless", "extractor"),
        )


def refuse_other_shapes(image: object) -> None:
    """Refuse what is not one picture as a tensor.

    Raises:
        PictureError: with what was given and what is wanted.
    """
    wanted = "wanted is one of shape (1, 3, H, W), sRGB in [0, 1]"
    if not isinstance(image, Tensor):
        raise PictureError(f"the image is {_kind(image)}, not a tensor; {wanted}")
    if image.dim() != 4 or image.shape[:2] != (1, 3):
        more = "; take the pictures of a batch one by one" if image.dim() == 4 else ""
        raise PictureError(f"the image is a tensor of shape {tuple(image.shape)}; {wanted}{more}")
    if not image.is_floating_point():
        raise PictureError(f"the image is a tensor of {image.dtype}; {wanted}")


def _kind(thing: object) -> str:
    return f"of type {type(thing).__name__}"
