"""The canvas as a torus: what looks at neighbors sees those of the other end; a roll changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import impasto
from helpers import Draw
from impasto.images.tensors import resized
from impasto.model.torus import around, periodic

BOTH = (2, 3)


@pytest.fixture
def image(draw: Draw) -> Tensor:
    return draw.uniform(1, 3, 24, 32)


def test_around_adds_the_other_end() -> None:
    row = torch.arange(4.0).view(1, 1, 1, 4)
    assert around(row, 1, 2, (3,)).flatten().tolist() == [3, 0, 1, 2, 3, 0, 1]
    both = around(torch.arange(4.0).view(1, 1, 2, 2), 1, 0, BOTH)[0, 0]
    assert both.tolist() == [[3, 2, 3], [1, 0, 1], [3, 2, 3]]
    assert around(row, 1, 2, ()) is row


@pytest.mark.parametrize(("wraps", "rolled"), [(BOTH, BOTH), ((3,), (3,)), ((2,), (2,))])
def test_features_roll_with_the_picture(
    image: Tensor, wraps: tuple[int, ...], rolled: tuple[int, ...]
) -> None:
    """Down to a layer of 256 channels, which Winograd's convolution takes; by 4 pixels of two poolings."""
    extractor = impasto.make("extractor", "random")
    extractor.select(["conv1_1", "conv2_2", "conv3_2"])
    image = image.float()

    def compared(shift: tuple[int, ...]) -> list[tuple[Tensor, Tensor]]:
        there = image.roll([8] * len(shift), shift)
        scales = {"conv1_1": 8, "conv2_2": 4, "conv3_2": 2}
        whole, moved = extractor(image), extractor(there)
        return [
            (moved[layer], whole[layer].roll([by] * len(shift), shift))
            for layer, by in scales.items()
        ]

    extractor.wraps = wraps
    for moved, wanted in compared(rolled):
        torch.testing.assert_close(moved, wanted, rtol=1e-3, atol=1e-4)
    extractor.wraps = ()
    for moved, wanted in compared(rolled):
        assert (moved - wanted).abs().max() > 1e-2


def test_the_gradient_rolls_with_the_picture(image: Tensor) -> None:
    extractor = impasto.make("extractor", "random")
    extractor.select(["conv3_2"])
    extractor.wraps = BOTH
    gradients = []
    for shift in (0, 8):
        moved = image.float().roll((shift, shift), BOTH).requires_grad_()
        torch.autograd.backward(extractor(moved)["conv3_2"].square().mean())
        assert moved.grad is not None
        gradients.append(moved.grad.roll((-shift, -shift), BOTH))
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("padding", ["zeros", "replicate", "reflect"])
def test_one_axis_leaves_the_padding_of_the_other(image: Tensor, padding: str) -> None:
    extractor = impasto.make("extractor", "random", padding=padding)
    extractor.select(["conv1_1"])
    plain = extractor(image.float())["conv1_1"]
    extractor.wraps = (3,)
    wrapped = extractor(image.float())["conv1_1"]
    torch.testing.assert_close(wrapped[..., 1:-1], plain[..., 1:-1])
    assert (wrapped[..., 0] - plain[..., 0]).abs().max() > 1e-3


@pytest.mark.parametrize("pooling", ["max", "average", "l2"])
def test_odd_sizes_leave_no_pixel_out(image: Tensor, pooling: str) -> None:
    extractor = impasto.make("extractor", "random", pooling=pooling)
    extractor.select(["pool1"])
    odd = image.float()[..., :-1]
    assert extractor(odd)["pool1"].shape[3] == 15
    extractor.wraps = (3,)
    assert extractor(odd)["pool1"].shape[3] == 16
    changed = odd.clone()
    changed[..., -1] += 1
    assert (extractor(changed)["pool1"] - extractor(odd)["pool1"])[..., -1].abs().max() > 0


@pytest.mark.parametrize("spec", [
    "tv", "tv:form=absolute", "tv:form=nine_point", "laplacian:pool_sizes=1",
    "laplacian:pool_sizes=4", "nearest:layers=image,patch_size=3",
])  # fmt: skip
def test_losses_that_look_at_neighbors_roll_with_the_picture(
    image: Tensor, spec: str, draw: Draw
) -> None:
    loss = impasto.make("loss", spec)
    other = draw.uniform(1, 3, 24, 32)

    def value(shift: int) -> Any:
        target = None
        if loss.target == "content":
            target = {"image": other.roll((shift, shift), BOTH)}
        if loss.target == "style":
            target = {"image": other}
        return loss({"image": image.roll((shift, shift), BOTH)}, target).item()

    assert value(0) != pytest.approx(value(8), rel=1e-6)
    loss.wraps = BOTH
    assert value(0) == pytest.approx(value(8), rel=1e-9)


def test_total_variation_counts_each_pair_once(image: Tensor) -> None:
    loss = impasto.make("loss", "tv")
    loss.wraps = (3,)
    wanted = (image.roll(-1, 3) - image).square().sum() + image.diff(dim=2).square().sum()
    assert loss({"image": image}).item() == pytest.approx(wanted.item() / (24 * 32))


@pytest.mark.parametrize("size", [(36, 48), (12, 16), (36, 32), (24, 48)])
def test_resizing_rolls_with_the_picture(image: Tensor, size: tuple[int, int]) -> None:
    shift = (size[0] * 8 // 24, size[1] * 8 // 32)
    moved = resized(image.roll((8, 8), BOTH), *size, BOTH)
    torch.testing.assert_close(moved, resized(image, *size, BOTH).roll(shift, BOTH))
    assert resized(image, *size, BOTH).shape[2:] == size
    plain = resized(image.roll((8, 8), BOTH), *size)
    assert (plain - resized(image, *size).roll(shift, BOTH)).abs().max() > 1e-3


def laplacian(image: Tensor) -> Tensor:
    neighbors = [image.roll(by, axis) for by in (1, -1) for axis in BOTH]
    return torch.stack(neighbors).sum(0) - 4 * image


def test_periodic_moves_the_jump_alone(draw: Draw) -> None:
    """Inside, the Laplacian stays what it was; at the ends it is that of a picture that ends there."""
    ramp = torch.linspace(0.3, 0.7, 32, dtype=torch.float64).expand(1, 3, 24, 32)
    image = ramp + 0.02 * draw.normal(1, 3, 24, 32)
    made = periodic(image, BOTH)
    inner = (..., slice(1, -1), slice(1, -1))
    torch.testing.assert_close(laplacian(made)[inner], laplacian(image)[inner])
    assert made.mean().item() == pytest.approx(image.mean().item())
    jumps = [(one[..., 0] - one[..., -1]).abs().mean().item() for one in (image, made)]
    assert jumps[0] > 0.35
    assert jumps[1] < made.diff(dim=3).abs().mean().item() * 1.5
    across = periodic(image, (3,))
    kept = (image[..., 0, :] - image[..., -1, :]) - (across[..., 0, :] - across[..., -1, :])
    assert kept.abs().mean() < 1e-2
    assert periodic(image, ()) is image


def test_the_objective_wraps_canvas_content_and_style(image: Tensor, draw: Draw) -> None:
    seen: list[tuple[str, tuple[int, ...]]] = []

    class Mine(impasto.Loss):
        layers = ("conv1_1",)

        def summarize_layer(self, feature: Tensor) -> impasto.Summary:
            seen.append(("style" if feature.shape[2] == 20 else "canvas", self.wraps))
            return {"sum": feature.sum((0, 2, 3)), "pixels": feature.new_tensor(1.0)}

        def compare_layer(self, summary: impasto.Summary, target: impasto.Summary) -> Tensor:
            return (summary["sum"] - target["sum"]).square().mean()

    extractor = impasto.make("extractor", "random")
    objective = impasto.Objective(
        extractor, [Mine(), impasto.make("loss", "content:layers=conv1_1")], BOTH
    )
    style = draw.uniform(1, 3, 20, 20).float()
    objective.set_targets(image.float(), style)
    objective(image.float().requires_grad_())
    assert seen == [("style", BOTH), ("canvas", BOTH)]


def test_a_style_made_periodic_is_reached_wherever_it_begins(draw: Draw) -> None:
    """Without a border the picture moved around the torus has the same statistics, and a loss of zero."""
    style = draw.uniform(1, 3, 32, 32).float()
    moved = periodic(style, BOTH).roll((16, 8), (2, 3))
    losses = [impasto.make("loss", "gram:layers=conv4_1")]
    objective = impasto.Objective(impasto.make("extractor", "random"), losses, BOTH)
    objective.set_targets(style, style)
    assert objective(moved)[0].item() < 1e-6
    plain = impasto.Objective(impasto.make("extractor", "random"), losses)
    plain.set_targets(style, periodic(style, BOTH))
    assert plain(moved)[0].item() > 1e-3


@pytest.mark.parametrize("wraps", [(1,), (3, 3), (2, 3, 4)])
def test_other_axes_are_refused(wraps: tuple[int, ...]) -> None:
    with pytest.raises(impasto.SettingsError, match="axes that wrap must be of 2 and 3"):
        impasto.Objective(impasto.make("extractor", "random"), [impasto.make("loss", "tv")], wraps)
