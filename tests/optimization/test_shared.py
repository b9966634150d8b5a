"""What runs share: network and style statistics, also where their other losses differ."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from helpers import Pair
from impasto.jobs.run import run_settings
from impasto.model.objective import Objective
from impasto.optimization.shared import Shared
from impasto.settings.settings import gather

TINY: Mapping[str, object] = {
    "plugin": "impasto.testing", "extractor": "tiny", "scales": "single", "size": 32, "steps": 2,
}  # fmt: skip


class Counting:
    """How often statistics are computed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        compute = Objective.style_statistics

        def counted(objective: Objective, *given: object) -> object:
            self.count += 1
            return compute(objective, *given)  # type: ignore[arg-type]

        monkeypatch.setattr(Objective, "style_statistics", counted)


def painted(pair: Pair, shared: Shared | None, **given: object) -> list[float]:
    settings = gather(
        {"content": str(pair.content), "style": str(pair.style), **TINY, **given}, None, None
    )
    return run_settings(settings, shared=shared).losses


@pytest.mark.parametrize(
    ("loss", "computed"),
    [
        (["content", "gram", "tv"], 0),
        (["tv", "gram"], 0),
        (["content:weight=3", "gram"], 0),
        (["content", "gram:layers=conv1_1"], 1),
        (["gram", "gram:layers=conv2_1"], 1),
        (["moments"], 1),
        (["sliced", "gram"], 1),
    ],
)
def test_only_another_loss_of_the_style_has_statistics_of_its_own(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, loss: list[str], computed: int
) -> None:
    shared = Shared()
    painted(pair, shared, loss=["content", "gram"])
    counting = Counting(monkeypatch)
    together = painted(pair, shared, loss=loss)
    assert counting.count == computed
    assert together == painted(pair, None, loss=loss)


def test_deeper_layers_need_another_network(pair: Pair) -> None:
    shared = Shared()
    painted(pair, shared, loss=["tv", "gram:layers=conv1_1"], extractor="random")
    deeper = ["tv", "gram:layers=conv2_1"]
    together = painted(pair, shared, loss=deeper, extractor="random")
    assert together == painted(pair, None, loss=deeper, extractor="random")


def test_what_other_losses_draw_counts(pair: Pair) -> None:
    shared = Shared()
    painted(pair, shared, loss=["sliced:projections=4"])
    twice = ["sliced:projections=4", "sliced:projections=4"]
    assert painted(pair, shared, loss=twice) == painted(pair, None, loss=twice)
