"""The loss ``neural_neighbors`` by all cosines, its searches in a run, and turned copies of a style."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import normalize

import impasto
from helpers import Draw, Invoke, Pair, refused
from impasto.jobs.run import prepare_run
from impasto.optimization.loop import steps_of
from impasto.plugin import to_tensor
from impasto.settings.settings import gather
from impasto_plugins.losses.neural_neighbors import NeuralNeighborsLoss

LAYERS = "layers=conv1_1,conv1_2"


def features(draw: Draw, height: int, width: int) -> dict[str, Tensor]:
    return {
        "a": draw.uniform(1, 5, height, width),
        "b": draw.uniform(1, 7, height // 2, width // 2),
    }


def made(**options: Any) -> NeuralNeighborsLoss:
    return NeuralNeighborsLoss(layers=("a", "b"), samples=40, stride=2, **options)


@pytest.mark.parametrize("splits", [False, True])
def test_value_by_all_cosines(splits: bool, draw: Draw) -> None:
    loss = made()
    loss.splits = splits
    target = loss.summarize_target(features(draw, 10, 12))
    summary = loss.summarize(features(draw, 8, 8))
    mine, style = stacked(summary), stacked(target)
    assert mine.shape == (16, 12)
    assert style.shape == (40, 12)
    wanted = []
    for part in [slice(0, 5), slice(5, 12)] if splits else [slice(0, 12)]:
        own, others = mine[:, part] - mine[:, part].mean(0), style[:, part] - style[:, part].mean(0)
        cosines = own @ others.T / own.norm(dim=1).outer(others.norm(dim=1))
        nearest = cosines.argmax(1)
        moved = mine[:, part] - style[:, part].mean(0)
        lengths = moved.norm(dim=1) * others[nearest].norm(dim=1)
        wanted.append(1 - ((moved * others[nearest]).sum(1) / lengths).mean())
    found = loss.compare(summary, target)
    assert found.item() == pytest.approx(float(torch.stack(wanted).mean()))


def stacked(summary: Any) -> Tensor:
    return torch.cat([summary[layer]["columns"] for layer in ("a", "b")], 1)


def test_blocks_change_nothing(draw: Draw, monkeypatch: pytest.MonkeyPatch) -> None:
    loss = made()
    target = loss.summarize_target(features(draw, 10, 12))
    summary = loss.summarize(features(draw, 8, 8))
    whole = loss.neighbors(summary, target)
    blocks = []

    def noted(block: Tensor) -> Tensor:
        blocks.append(block.shape)
        return normalize(block)

    module = "impasto_plugins.losses.neural_neighbors"
    monkeypatch.setattr(f"{module}.BLOCK", 16 * 7)
    monkeypatch.setattr(f"{module}.normalize", noted)
    assert torch.equal(loss.neighbors(summary, target), whole)
    assert max(block[0] for block in blocks) == 7
    # Of a small picture, the style's own features are what takes memory.
    few = {layer: {"columns": one["columns"][:2]} for layer, one in summary.items()}
    loss.neighbors(few, target)
    assert max(block.numel() for block in blocks) <= 16 * 7


def test_what_is_masked_is_nobodys_neighbor(draw: Draw) -> None:
    loss = made()
    target = loss.summarize_target(features(draw, 10, 12))
    summary = loss.summarize(features(draw, 8, 8))
    counts = (torch.arange(40) < 20).double()
    masked = {layer: {**style, "counts": counts} for layer, style in target.items()}
    kept = {
        layer: {"columns": style["columns"][:20], "mean": style["mean"]}
        for layer, style in target.items()
    }
    assert torch.equal(loss.neighbors(summary, masked), loss.neighbors(summary, kept))


@pytest.mark.parametrize("splits", [False, True])
def test_gradient_by_finite_differences(splits: bool, draw: Draw) -> None:
    loss = made()
    loss.splits = splits
    target = loss.summarize_target(features(draw, 10, 12))
    given = features(draw, 6, 6)
    loss.found = [loss.neighbors(loss.summarize(given), target)]
    loss.wanted = [loss.directions(loss.found[0], target)]

    def term(one: Tensor, two: Tensor) -> Tensor:
        return loss.compare(loss.summarize({"a": one, "b": two}), target)

    inputs = [one.requires_grad_() for one in given.values()]
    assert torch.autograd.gradcheck(term, inputs, fast_mode=True)


def test_neighbors_are_found_at_the_start_of_a_stage_and_by_layer_in_the_last_steps(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    searches: list[tuple[int, ...]] = []
    search = NeuralNeighborsLoss.neighbors

    def noted(self: NeuralNeighborsLoss, *given: Any) -> Tensor:
        found = search(self, *given)
        searches.append((run.step, len(found)))
        return found

    monkeypatch.setattr(NeuralNeighborsLoss, "neighbors", noted)
    loss = f"neural_neighbors:{LAYERS},samples=200,split_steps=5,rematch=2"
    run = prepare_run(
        gather({"content": str(pair.content), "style": str(pair.style), "size": 32, "scales": "24",
                "steps": "3,8", "loss": [loss], "optimizer": "adam:lr=0.01"}, None, None)
    )  # fmt: skip
    losses = [step.loss for step in steps_of(run)]
    assert searches == [(0, 1), (3, 1), (6, 2), (8, 2), (10, 2)]
    assert losses[2] < losses[0]
    assert losses[5] < losses[3]
    # What an estimate counts with.
    assert run.objective.restarts(8) == (3, 5, 7)
    assert run.objective.restarts(4) == (0, 2)


def test_turned_copies_are_a_larger_sample_and_another_picture(pair: Pair) -> None:
    def painted(loss: str, turns: Literal[1, 2, 4]) -> impasto.Result:
        return impasto.run(
            pair.content, pair.style, size=32, steps=3, style_turns=turns, loss=[loss]
        )

    every: tuple[Literal[1, 2, 4], ...] = (1, 2, 4)
    for loss in (f"neural_neighbors:{LAYERS},samples=200", "gram:layers=conv1_1"):
        pictures = [painted(loss, turns).image for turns in every]
        assert not torch.equal(pictures[0], pictures[1])
        assert not torch.equal(pictures[1], pictures[2])


def test_masks_and_several_styles(pair: Pair, tmp_path: Path) -> None:
    mask = Image.new("L", (64, 48), 0)
    mask.paste(255, (0, 0, 32, 48))
    mask.save(tmp_path / "mask.png")
    result = impasto.run(
        pair.content, f"{pair.style}:content_mask={tmp_path / 'mask.png'}", size=64, steps=10,
        optimizer="adam:lr=0.01", loss=[f"neural_neighbors:{LAYERS},samples=300"],
    )  # fmt: skip
    with Image.open(pair.content) as content:
        moved = (result.image - to_tensor(content)).abs().mean((0, 1, 2))
    assert moved[:30].mean() > 5 * moved[38:].mean()
    both = impasto.run(
        pair.content, [pair.style, pair.content], size=32, steps=3,
        loss=[f"neural_neighbors:{LAYERS},samples=300"],
    )  # fmt: skip
    assert both.losses[-1] < both.losses[0]


def test_a_style_file_paints_the_same_and_must_have_as_many_turns(
    invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    loss = f"neural_neighbors:{LAYERS},samples=100"
    given = ("--size", 32, "--scales", "single", "--loss", loss, "--style-turns", 4)
    learned = tmp_path / "learned.style"
    done = invoke("style", "learn", pair.style, "-o", learned, *given)
    assert done.status == 0, done.err
    for number, style in enumerate((pair.style, learned)):
        done = invoke("run", pair.content, style, "-o", tmp_path / f"{number}.png", *given,
                      "--steps", 3, "--no-recipe")  # fmt: skip
        assert done.status == 0, done.err
    assert (tmp_path / "0.png").read_bytes() == (tmp_path / "1.png").read_bytes()
    done = invoke("run", pair.content, learned, "-o", tmp_path / "2.png", *given[:-1], 1)
    assert "was made with style_turns 4, not 1" in refused(done)


def test_a_loss_that_cannot_take_turned_copies_is_refused(
    invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "out.png", "--size", 32,
                  "--loss", "sliced:layers=conv1_1", "--style-turns", 4)  # fmt: skip
    assert "cannot take turned copies of a style as one picture" in refused(done)


@pytest.mark.slow
def test_preset_nnst_draws_nearer_to_the_style(pair: Pair) -> None:
    result = impasto.run(pair.content, pair.style, preset="nnst", size=48, steps=8)
    losses = result.history["neural_neighbors"]
    assert losses[-1] < 0.95 * losses[0]
