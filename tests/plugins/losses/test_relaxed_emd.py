"""The loss ``relaxed_emd`` against the whole matrix of costs, and by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from helpers import Draw
from impasto_plugins.losses.points import Distance
from impasto_plugins.losses.relaxed_emd import RelaxedEMDLoss


def compared(loss: RelaxedEMDLoss, feature: Tensor, style: Tensor) -> float:
    return loss.compare_layer(loss.summarize_layer(feature), loss.summarize_layer(style)).item()


def costs(points: Tensor, others: Tensor, distance: Distance) -> Tensor:
    if distance == "squared":
        squares: Tensor = torch.cdist(points, others).square()
        return squares / others.square().sum(1).mean()
    if distance == "contextual":
        points, others = points - others.mean(0), others - others.mean(0)
    lengths = points.norm(dim=1).outer(others.norm(dim=1))
    cosines: Tensor = points @ others.T / lengths
    return 1 - cosines


@pytest.mark.parametrize("distance", ["cosine", "contextual", "squared"])
@pytest.mark.parametrize("sizes", [((5, 4), (3, 6)), ((2, 2), (7, 7))])
def test_value_by_the_matrix_of_costs(
    distance: Distance, sizes: tuple[tuple[int, int], tuple[int, int]], draw: Draw
) -> None:
    feature, style = (draw.uniform(1, 3, *size) for size in sizes)
    matrix = costs(feature.flatten(2)[0].T, style.flatten(2)[0].T, distance)
    wanted = max(matrix.amin(0).mean(), matrix.amin(1).mean())
    found = compared(RelaxedEMDLoss(distance=distance), feature, style)
    assert found == pytest.approx(float(wanted))


def test_what_the_style_has_and_the_picture_lacks_counts() -> None:
    """The picture has one of two orthogonal features: there 0, back (0 + 1) / 2."""
    style = torch.eye(2).view(1, 2, 1, 2)
    feature = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 3, 3)
    assert compared(RelaxedEMDLoss(), feature, style) == pytest.approx(0.5)
    assert compared(RelaxedEMDLoss(), style, feature) == pytest.approx(0.5)


def test_the_same_colors_elsewhere_cost_nothing(draw: Draw) -> None:
    style = draw.uniform(1, 3, 5, 5)
    loss = RelaxedEMDLoss(distance="squared")
    assert compared(loss, style.flip(3), style) == pytest.approx(0, abs=1e-12)
