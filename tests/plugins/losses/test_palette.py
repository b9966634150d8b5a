"""The losses ``palette`` and ``covariance`` by NumPy; relaxed distances are below the exact one."""

from __future__ import annotations

import numpy
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from helpers import Draw
from impasto.plugin import hypercolumns
from impasto_plugins.losses.covariance import CovarianceLoss
from impasto_plugins.losses.palette import YUV, PaletteLoss
from impasto_plugins.losses.points import closest, closest_both_ways, relaxed_distance


def euclidean(points: Tensor, others: Tensor) -> Tensor:
    return (points[:, None] - others[None]).square().sum(2).sqrt()


@pytest.mark.parametrize("squared", [True, False])
@pytest.mark.parametrize("count", [1, 2, 7, 40])
def test_the_relaxed_distance_is_a_bound_of_the_earth_movers(
    squared: bool, count: int, draw: Draw
) -> None:
    points, others = draw.normal(count, 5), draw.normal(count, 5)
    costs = euclidean(points, others)
    costs = costs.square() if squared else costs
    exact = costs[linear_sum_assignment(costs.numpy())].mean()
    relaxed = relaxed_distance(points, others, squared=squared)
    assert relaxed == pytest.approx(float(max(costs.amin(0).mean(), costs.amin(1).mean())))
    assert relaxed <= exact + 1e-9
    same = relaxed_distance(points, points[torch.randperm(count)], squared=squared)
    assert same.item() == pytest.approx(0, abs=1e-5)


def test_points_that_count_twice_are_two_points(draw: Draw) -> None:
    points, others = draw.normal(6, 3), draw.normal(5, 3)
    counts = torch.tensor([2.0, 1, 1, 1, 1, 1], dtype=torch.float64)
    twice = torch.cat([points[:1], points])
    for one, two in (((points, others, counts, None), (twice, others)),
                     ((others, points, None, counts), (others, twice))):  # fmt: skip
        assert relaxed_distance(*one).item() == pytest.approx(relaxed_distance(*two).item())


def test_points_that_do_not_count_are_nobodys_nearest(draw: Draw) -> None:
    points, others = draw.normal(6, 3), draw.normal(5, 3)
    counts = torch.tensor([1.0, 0, 1, 1, 0.9], dtype=torch.float64)
    there, back = closest_both_ways(points, others, None, counts)
    kept = [0, 2, 3, 4]
    assert torch.equal(there, torch.tensor(kept)[euclidean(points, others[kept]).argmin(1)])
    assert torch.equal(back, euclidean(points, others).argmin(0))


def test_both_ways_in_blocks_are_those_of_one_block(
    draw: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    points, others = draw.normal(23, 4), draw.normal(17, 4)
    whole = closest_both_ways(points, others)
    monkeypatch.setattr("impasto_plugins.losses.points.BLOCK", 5 * 17)
    parts = closest_both_ways(points, others)
    assert all(torch.equal(one, two) for one, two in zip(whole, parts, strict=True))
    assert torch.equal(whole[1], closest(others, points))


def test_palette_by_all_distances(draw: Draw) -> None:
    picture, style = draw.uniform(1, 3, 8, 8), draw.uniform(1, 3, 6, 10)
    loss = PaletteLoss(pixels=30, samples=50)
    found = loss.compare(
        loss.summarize({"image": picture}), loss.summarize_target({"image": style})
    )

    def colors(image: Tensor, places: Tensor) -> Tensor:
        down, across = ((places[:, axis] * image.shape[2 + axis]).long() for axis in (0, 1))
        return image[0, :, down, across].T @ torch.tensor(YUV, dtype=torch.float64).T

    mine = colors(picture, loss.places.now)
    wanted = colors(style, loss.places.style)[loss.places.style_part]
    costs = euclidean(mine, wanted)
    assert found.item() == pytest.approx(float(max(costs.amin(0).mean(), costs.amin(1).mean())))


def test_yuv_of_gray_has_no_color() -> None:
    matrix = numpy.array(YUV)
    numpy.testing.assert_allclose(matrix @ [1, 1, 1], [1, 0, 0], atol=1e-4)


def test_covariance_by_numpy(draw: Draw) -> None:
    pictures = [{"a": draw.uniform(1, 4, 8, 8), "b": draw.uniform(1, 3, 4, 4)} for _ in range(2)]
    loss = CovarianceLoss(layers=("a", "b"), hypercolumns=20, samples=30)
    found = loss.compare(loss.summarize(pictures[0]), loss.summarize_target(pictures[1]))
    points = [
        hypercolumns(picture, ("a", "b"), places)[0, :, 0].numpy()
        for picture, places in zip(pictures, (loss.places.now, loss.places.style), strict=True)
    ]
    means = [one.mean(1) for one in points]
    covariances = [numpy.cov(one, bias=True) for one in points]
    wanted = abs(means[0] - means[1]).mean() + abs(covariances[0] - covariances[1]).mean()
    assert found.item() == pytest.approx(wanted)


def test_gradient_of_covariance_and_palette_by_finite_differences(draw: Draw) -> None:
    for loss in (
        CovarianceLoss(layers=("image",), hypercolumns=9, samples=9),
        PaletteLoss(pixels=9, samples=9),
    ):
        target = loss.summarize_target({"image": draw.uniform(1, 3, 6, 6)})
        assert torch.autograd.gradcheck(
            lambda x, loss=loss, target=target: loss.compare(loss.summarize({"image": x}), target),
            draw.uniform(1, 3, 6, 6).requires_grad_(), fast_mode=True,
        )  # fmt: skip
