"""Weights that are changed while a run goes on are, from then on, as if they had been given so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from PIL import Image

import impasto
from helpers import Pair

LOSSES = [
    "content:layers=conv2_1,fade=1",
    "gram:layers=conv1_1,weight=10",
    "nearest:layers=conv2_1,samples=40,weight=3",
]
Do = Callable[[impasto.Run], object]


class Before:
    """Does something once the first stage is over, or before it begins."""

    def __init__(self, do: Do, step: int = 0) -> None:
        self.do, self.step = do, step

    @impasto.hookimpl
    def impasto_before_run(self, run: impasto.Run) -> None:
        if not self.step:
            self.do(run)

    @impasto.hookimpl
    def impasto_after_step(self, run: impasto.Run, step: impasto.Step) -> None:
        if step.number == self.step:
            self.do(run)


def painted(pair: Pair, styles: list[str], losses: list[str], **more: Any) -> impasto.Result:
    return impasto.run(
        pair.content, styles, size=144, scales="48", steps=[2, 2], loss=losses, seed=1,
        **{"plugin": "impasto.testing", "extractor": "tiny", **more},
    )  # fmt: skip


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_terms(pair: Pair, optimizer: str) -> None:
    def change(run: impasto.Run) -> None:
        run.set_weight("content", 7)
        run.set_weight("gram", 0)
        run.set_weight("nearest", 0.3)

    style = str(pair.style)
    given = ["content:layers=conv2_1,fade=1,weight=7", "gram:layers=conv1_1,weight=0",
             "nearest:layers=conv2_1,samples=40,weight=0.3"]  # fmt: skip
    steered = painted(pair, [style], LOSSES, optimizer=optimizer, callback=[Before(change)])
    plain = painted(pair, [style], given, optimizer=optimizer)
    assert steered.losses == plain.losses
    assert torch.equal(steered.image, plain.image)
    assert steered.terms["gram"] == 0


@pytest.mark.parametrize("kind", ["mixed", "regions", "tiles"])
def test_styles(pair: Pair, kind: str) -> None:
    masks, weights, losses = [""] * 3, [1, 0, 2.5], LOSSES
    if kind == "regions":
        left, mask = pair.content.with_name("left.png"), Image.new("L", (64, 48))
        mask.paste(255, (0, 0, 32, 48))
        mask.save(left)
        # The second style paints the other half, alone.
        masks, weights = [f",content_mask={left}", "", f",content_mask={left}"], [0.5, 1, 2.5]
    if kind != "mixed":
        losses = LOSSES[:2]
    more: dict[str, Any] = {"tile": 64, "extractor": "vgg19"} if kind == "tiles" else {}

    def styles(values: list[float]) -> list[str]:
        files = (pair.style, pair.content, pair.style)
        return [
            f"{file}:weight={value},scale={1 + number / 4}{mask}"
            for number, (file, value, mask) in enumerate(zip(files, values, masks, strict=True))
        ]

    def change(run: impasto.Run) -> None:
        for number, value in enumerate(weights):
            run.set_style_weight(number, value)

    before = painted(pair, styles([1, 1, 1]), losses, **more)
    steered = painted(pair, styles([1, 1, 1]), losses, callback=[Before(change)], **more)
    given = painted(pair, styles(weights), losses, **more)
    assert steered.losses == given.losses
    assert torch.equal(steered.image, given.image)
    assert not torch.equal(steered.image, before.image)


@pytest.mark.parametrize("change", ["weight", "style_weight"])
def test_a_change_is_in_effect_at_the_next_step(pair: Pair, change: str) -> None:
    def do(run: impasto.Run) -> None:
        if change == "weight":
            run.set_weight("gram", 1000)
        else:
            run.set_style_weight(1, 0)

    styles = [str(pair.style), str(pair.content)]
    after = painted(pair, styles, LOSSES, callback=[Before(do, 1)])
    plain = painted(pair, styles, LOSSES)
    assert after.losses[0] == plain.losses[0]
    ratio = after.history["gram"][1] / plain.history["gram"][1]
    assert ratio == pytest.approx(100) if change == "weight" else abs(ratio - 1) > 0.01


@pytest.mark.slow
def test_compiled_code_takes_changes_and_is_not_compiled_again(pair: Pair) -> None:
    from torch._dynamo.utils import counters

    def change(run: impasto.Run) -> None:
        number = run.step
        run.set_weight("gram", 10 + number)
        run.set_weight("content", number % 2)
        run.set_style_weight(0, 1 + number)

    class Each:
        @impasto.hookimpl
        def impasto_after_step(self, run: impasto.Run) -> None:
            change(run)

    styles = [str(pair.style), str(pair.content)]
    more: dict[str, Any] = {
        "size": 32, "scales": "single", "steps": 14, "precision": "float32", "optimizer": "adam",
    }  # fmt: skip
    torch._dynamo.reset()
    counters.clear()
    made = [
        impasto.run(pair.content, styles, loss=LOSSES, callback=[Each()], compile=compiled, **more)
        for compiled in ("on", "off")
    ]
    assert counters["stats"]["unique_graphs"] == 1
    assert len(made[0].changes) == 3 * 13 - 1
    assert made[0].losses == pytest.approx(made[1].losses, rel=1e-3)
