"""``impasto.testing``: its checks pass for losses that are right, and fail for each kind of wrong one."""

from __future__ import annotations

import numpy
import pytest
import torch
from torch import Tensor

import impasto
import impasto.testing


class Means(impasto.Loss):
    """Squared difference of the mean of each channel."""

    def summarize_layer(self, feature: Tensor) -> impasto.Summary:
        return {"sum": feature.sum((0, 2, 3)), "pixels": feature.new_tensor(feature[0, 0].numel())}

    def compare_layer(self, summary: impasto.Summary, target: impasto.Summary) -> Tensor:
        mine, wanted = (one["sum"] / one["pixels"] for one in (summary, target))
        return (mine - wanted).square().mean()


class Detached(Means):
    """Half of its gradient is missing."""

    def compare_layer(self, summary: impasto.Summary, target: impasto.Summary) -> Tensor:
        mine, wanted = (one["sum"] / one["pixels"] for one in (summary, target))
        return ((mine - wanted).detach() * (mine - wanted)).mean()


class Vector(Means):
    """One number for each channel."""

    def compare_layer(self, summary: impasto.Summary, target: impasto.Summary) -> Tensor:
        return (summary["sum"] - target["sum"]).square()

    def compare(self, *given: object) -> Tensor:
        summary, target = given
        return self.compare_layer(summary["conv1_1"], target["conv1_1"])  # type: ignore[index]


class Undefined(Means):
    """NaN for every picture."""

    def compare_layer(self, summary: impasto.Summary, target: impasto.Summary) -> Tensor:
        return super().compare_layer(summary, target) * float("nan")


class FirstLayer(Means):
    """Looks at its first layer only."""

    def compare(self, *given: object) -> Tensor:
        summary, target = given
        layer = self.layers[0]
        return self.compare_layer(summary[layer], target[layer])  # type: ignore[index]


class Maxima(Means):
    """What it calls a sum is a maximum."""

    def summarize_layer(self, feature: Tensor) -> impasto.Summary:
        return {**super().summarize_layer(feature), "sum": feature.amax((0, 2, 3))}


class Uncounted(Means):
    """Does not say how many pixels it sums over."""

    def summarize_layer(self, feature: Tensor) -> impasto.Summary:
        return {"sum": feature.sum((0, 2, 3))}


class Whole(Means):
    """Needs the whole picture."""

    summary = "whole"


class Brightness(Means):
    """The square of the picture itself, without a target."""

    target = "none"

    def compare_layer(self, summary: impasto.Summary, target: impasto.Summary) -> Tensor:
        return (summary["sum"] / summary["pixels"]).square().sum()


TWO = ("conv1_1", "conv2_1")


@pytest.mark.parametrize("loss", [Means(1, TWO), Brightness()], ids=lambda one: type(one).__name__)
def test_right_losses_pass(loss: impasto.Loss) -> None:
    impasto.testing.check_gradient(loss)
    impasto.testing.check_gradient(loss, side=7, channels=5, seed=3)
    impasto.testing.check_tiles(loss)


@pytest.mark.parametrize(
    ("loss", "complaint"),
    [
        (Detached(1, TWO), "the gradient of Detached differs from finite differences"),
        (Vector(1, ["conv1_1"]), r"Vector gives a tensor of shape \(3,\), not a number"),
        (Undefined(1, TWO), "Undefined gives nan for random features"),
        (FirstLayer(1, TWO), "FirstLayer does not depend on the layer 'conv2_1'"),
    ],
    ids=lambda one: type(one).__name__,
)
def test_wrong_gradients_are_found(loss: impasto.Loss, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        impasto.testing.check_gradient(loss)


@pytest.mark.parametrize(
    ("loss", "complaint"),
    [
        (Maxima(1, TWO), "Maxima: 'sum' of tiles do not add up to that of the whole"),
        (Uncounted(1, TWO), "Uncounted keeps no 'pixels'"),
        (Whole(1, TWO), "Whole has summary = 'whole', not 'sum'"),
    ],
    ids=lambda one: type(one).__name__,
)
def test_wrong_summaries_are_found(loss: impasto.Loss, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        impasto.testing.check_tiles(loss)


def test_a_run_lowers_the_loss_with_the_settings_that_are_given() -> None:
    result = impasto.testing.run(loss=["content", "gram"], steps=3)
    assert result.steps == 3
    assert result.losses[-1] < result.losses[0]
    assert result.picture.size == (32, 32)


def test_pictures_follow_from_the_seed() -> None:
    first, again, other = (
        [numpy.asarray(picture) for picture in impasto.testing.pictures(20, 16, seed)]
        for seed in (1, 1, 2)
    )
    assert first[0].shape == (16, 20, 3)
    assert not numpy.array_equal(first[0], first[1])
    for one, same, different in zip(first, again, other, strict=True):
        assert numpy.array_equal(one, same)
        assert not numpy.array_equal(one, different)


def test_the_tiny_extractor_has_the_layers_that_are_selected() -> None:
    extractor = impasto.testing.TinyExtractor()
    extractor.select(["conv4_2", "conv1_1"])
    extractor.prepare(torch.device("cpu"), torch.float64)
    features = extractor(torch.rand(1, 3, 16, 24, dtype=torch.float64))
    shapes = {layer: tuple(feature.shape) for layer, feature in features.items()}
    assert shapes == {"conv1_1": (1, 6, 16, 24), "conv4_2": (1, 6, 4, 6)}


def test_who_offers_what() -> None:
    assert impasto.testing.offered_by("loss", "gram") == "losses.gram"
    with pytest.raises(impasto.SettingsError, match="did you mean 'gram'"):
        impasto.testing.offered_by("loss", "gramm")
