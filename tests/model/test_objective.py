"""Gram, content and total loss, and the gradient on the picture, against formulas written out here."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import impasto
from impasto.model.loss import mix
from impasto.model.objective import Objective
from impasto_plugins.losses.content import ContentLoss
from impasto_plugins.losses.gram import GramLoss
from impasto_plugins.losses.tv import TotalVariation


class TwoLayers(impasto.Extractor):
    """Two convolutions in float64, small enough to be written out by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = ("first", "second")
        torch.manual_seed(3)
        self.first_kernel = torch.randn(4, 3, 3, 3, dtype=torch.float64)
        self.second_kernel = torch.randn(5, 4, 3, 3, dtype=torch.float64)

    def forward(self, image: Tensor) -> impasto.Features:
        first = nn.functional.conv2d(image, self.first_kernel).relu()
        return {"first": first, "second": nn.functional.conv2d(first, self.second_kernel).relu()}


def picture(seed: int, height: int = 9, width: int = 11) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, 3, height, width, dtype=torch.float64, generator=generator)


def features(image: Tensor) -> impasto.Features:
    made: impasto.Features = TwoLayers()(image)
    return made


def gram_matrix(feature: Tensor) -> Tensor:
    """Sum over pixels of products of channels, entry by entry (Gatys et al. 2016, eq. 3)."""
    channels = feature.shape[1]
    return torch.stack(
        [
            torch.stack([(feature[0, i] * feature[0, j]).sum() for j in range(channels)])
            for i in range(channels)
        ]
    )


def style_loss(feature: Tensor, wanted: Tensor, normalization: str) -> Tensor:
    n, m = feature.shape[1], feature.shape[2] * feature.shape[3]
    g, a = gram_matrix(feature), gram_matrix(wanted) * m / (wanted.shape[2] * wanted.shape[3])
    if normalization == "paper":
        return (g - a).pow(2).sum() / (4 * n**2 * m**2)
    if normalization == "notebook":
        return (g - a).pow(2).mean() / (n * m)
    return (g - a).pow(2).sum() / a.pow(2).sum()


@pytest.mark.parametrize("normalization", ["relative", "paper", "notebook"])
@pytest.mark.parametrize("style_size", [(9, 11), (7, 6)])
def test_gram_loss_equals_the_formula(normalization: str, style_size: tuple[int, int]) -> None:
    loss = GramLoss(1.0, ("first", "second"), (0.75, 0.2), normalization)  # type: ignore[arg-type]
    canvas, style = features(picture(1)), features(picture(2, *style_size))
    expected = 0.75 * style_loss(canvas["first"], style["first"], normalization)
    expected += 0.2 * style_loss(canvas["second"], style["second"], normalization)
    actual = loss.compare(loss.summarize(canvas), loss.summarize(style))
    torch.testing.assert_close(actual, expected, rtol=1e-12, atol=0)


def test_content_loss_equals_the_formula() -> None:
    canvas, content = features(picture(1)), features(picture(2))
    difference = canvas["second"] - content["second"]
    for normalization, expected in {
        "mean": difference.pow(2).sum() / difference.numel(),
        "paper": 0.5 * difference.pow(2).sum(),
    }.items():
        loss = ContentLoss(1.0, ("second",), (), normalization)  # type: ignore[arg-type]
        actual = loss.compare(loss.summarize(canvas), loss.summarize(content))
        torch.testing.assert_close(actual, expected, rtol=1e-12, atol=0)


def test_total_variation_of_a_picture_counted_by_hand() -> None:
    image = torch.zeros(1, 3, 2, 2, dtype=torch.float64)
    image[0, 0] = torch.tensor([[0.0, 1.0], [3.0, 3.0]])
    loss = TotalVariation()
    summary = loss.summarize({"image": image})
    # Across: 1² and 0²; down: 3² and 2²; over four pixels.
    assert loss.compare(summary, {}).item() == pytest.approx((1 + 0 + 9 + 4) / 4)


def objective() -> Objective:
    losses: dict[str, impasto.Loss] = {
        "content": ContentLoss(0.7, ("second",)),
        "gram": GramLoss(3.0, ("first", "second")),
        "tv": TotalVariation(0.1),
    }
    made = Objective(TwoLayers(), losses)
    made.set_targets(picture(1), [picture(2)], [1.0])
    return made


def test_total_and_gradient_equal_the_formula() -> None:
    canvas = picture(5).requires_grad_()
    total, terms = objective()(canvas)
    (gradient,) = torch.autograd.grad(total, canvas)

    again = picture(5).requires_grad_()
    of_canvas, content, style = features(again), features(picture(1)), features(picture(2))
    expected_terms = [
        0.7 * (of_canvas["second"] - content["second"]).pow(2).mean(),
        3.0 * sum(style_loss(of_canvas[x], style[x], "relative") for x in ("first", "second")) / 2,
        0.1 * (again.diff(dim=2).pow(2).sum() + again.diff(dim=3).pow(2).sum()) / (9 * 11),
    ]
    expected = torch.stack([torch.as_tensor(term) for term in expected_terms])
    (expected_gradient,) = torch.autograd.grad(expected.sum(), again)
    torch.testing.assert_close(terms, expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-10, atol=1e-14)


def test_gradient_agrees_with_finite_differences() -> None:
    total_of = objective()
    canvas = picture(5).requires_grad_()
    assert torch.autograd.gradcheck(lambda image: total_of(image)[0], canvas, eps=1e-6, atol=1e-5)


def test_losses_are_zero_at_their_own_target() -> None:
    of_style = features(picture(2))
    for normalization in ("relative", "paper", "notebook"):
        loss = GramLoss(1.0, ("first", "second"), (), normalization)
        assert loss.compare(loss.summarize(of_style), loss.summarize(of_style)).item() == 0


def test_summaries_mix_as_if_pictures_had_equal_pixels() -> None:
    loss = GramLoss(1.0, ("first",))
    small, large = features(picture(1, 6, 6)), features(picture(2, 12, 10))
    mixed = mix([loss.summarize(small), loss.summarize(large)], [0.25, 0.75])["first"]
    pixels_small, pixels_large = 4 * 4, 10 * 8
    expected = 0.25 * gram_matrix(small["first"]) / pixels_small
    expected += 0.75 * gram_matrix(large["first"]) / pixels_large
    torch.testing.assert_close(mixed["gram"] / mixed["pixels"], expected, rtol=1e-12, atol=0)
    only_first = mix([loss.summarize(small), loss.summarize(large)], [1.0, 0.0])["first"]
    torch.testing.assert_close(only_first, loss.summarize(small)["first"])


def test_gram_matrices_of_large_bright_features_keep_their_digits_in_half_precision() -> None:
    feature = (100 + torch.rand(1, 4, 256, 256)).bfloat16()
    loss = GramLoss(1.0, ("first",))
    gram = loss.summarize({"first": feature})["first"]["gram"]
    expected = gram_matrix(feature.double())
    # bfloat16 itself has 8 bits: a sum rounded to it would be wrong by up to 4e-3.
    torch.testing.assert_close(gram.double(), expected, rtol=2e-4, atol=0)
