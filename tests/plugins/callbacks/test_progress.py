"""The bar: how far a run is, over all stages."""

from __future__ import annotations

import pytest

from helpers import Invoke, Pair
from impasto.optimization.stages import Stage
from impasto_plugins.callbacks.progress import ProgressBar, work


def test_a_step_counts_by_its_pixels() -> None:
    assert work([Stage(0, 10, 20, 3), Stage(1, 20, 40, 2)]) == 3 * 200 + 2 * 800


def test_a_pyramid_ends_at_its_whole_work(
    invoke: Invoke, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[float, int]] = []
    update = ProgressBar.impasto_after_step

    def noted(self: ProgressBar, run: object, step: object) -> None:
        self.shown = 0.0
        update(self, run, step)  # type: ignore[arg-type]
        task = self.bar.tasks[0]
        seen.append((task.percentage, task.fields["step"]))

    monkeypatch.setattr(ProgressBar, "impasto_after_step", noted)
    noted.impasto_impl = update.impasto_impl  # type: ignore[attr-defined]
    done = invoke("run", pair.content, pair.style, "-o", pair.content.parent / "out.png", "--size",
                  64, "--scales", "32", "--steps", "3,2", "--loss", "tv")  # fmt: skip
    assert done.status == 0
    assert [step for _, step in seen] == [1, 2, 3, 4, 5]
    # 32 × 24 pixels three times, then 64 × 48 twice: the first stage is 3 of 11 parts of the work.
    assert seen[2][0] == pytest.approx(100 * 3 / 11)
    assert seen[-1][0] == pytest.approx(100)
