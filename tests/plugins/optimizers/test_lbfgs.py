"""L-BFGS: torch's iterates where all is well, and the best picture where it is not."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import impasto
from helpers import SHALLOW, Invoke, Pair
from impasto_plugins.optimizers import lbfgs_pairs
from impasto_plugins.optimizers.lbfgs import LBFGS, PATIENCE
from impasto_plugins.optimizers.strong_wolfe import line_search


def bowl(seed: int = 2) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """A start and a convex quadratic of 12 numbers, with curvatures from 1 to 20."""
    generator = torch.Generator().manual_seed(seed)
    basis = torch.linalg.qr(torch.randn(12, 12, dtype=torch.float64, generator=generator)).Q
    matrix = basis @ torch.linspace(1, 20, 12, dtype=torch.float64).diag() @ basis.T
    start = torch.randn(12, dtype=torch.float64, generator=generator)
    return start, lambda x: x @ matrix @ x / 2


def iterates(
    optimizer: torch.optim.Optimizer, point: Tensor, loss_of: Callable[[Tensor], Tensor], steps: int
) -> list[Tensor]:
    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = loss_of(point)
        torch.autograd.backward(loss)
        return loss

    path = []
    for _ in range(steps):
        optimizer.step(closure)  # type: ignore[arg-type]
        path.append(point.detach().clone())
    return path


@pytest.mark.parametrize("solves", [False, True])
@pytest.mark.parametrize("history_size", [3, 20])
def test_iterates_equal_torchs_on_a_convex_quadratic(
    history_size: int, solves: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lbfgs_pairs, "solves", lambda like, precision: solves)
    start, loss_of = bowl()
    mine, theirs = start.clone().requires_grad_(), start.clone().requires_grad_()
    reference = torch.optim.LBFGS(
        [theirs], lr=1, max_iter=1, history_size=history_size, tolerance_grad=0, tolerance_change=0
    )
    found = iterates(LBFGS([mine], history_size=history_size), mine, loss_of, 15)
    expected = iterates(reference, theirs, loss_of, 15)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-9)


def test_several_parameters_are_one_vector() -> None:
    start, loss_of = bowl()
    whole = start.clone().requires_grad_()
    parts = [start[:5].clone().requires_grad_(), start[5:].clone().requires_grad_()]
    iterates(LBFGS([whole]), whole, loss_of, 8)
    iterates(LBFGS(parts), parts[0], lambda _: loss_of(torch.cat(parts)), 8)
    torch.testing.assert_close(torch.cat(parts), whole)


def test_line_search_meets_the_strong_wolfe_conditions() -> None:
    def evaluate(length: float) -> tuple[float, float]:
        return (length - 3) ** 4 - length, 4 * (length - 3) ** 3 - 1

    loss, slope = evaluate(0)
    for first in (0.01, 1.0, 50.0):
        length = line_search(evaluate, loss, slope, first)
        found, steepness = evaluate(length)
        assert found <= loss + 1e-4 * length * slope
        assert abs(steepness) <= 0.9 * abs(slope)


def test_line_search_comes_back_from_what_is_no_number() -> None:
    def evaluate(length: float) -> tuple[float, float]:
        return ((length - 1) ** 2, 2 * (length - 1)) if length < 2 else (math.nan, math.nan)

    assert 0 < line_search(evaluate, 1.0, -2.0, 64.0) < 2
    assert line_search(lambda length: (1.0 + length, 1.0), 1.0, -1.0, 1.0) == 0


def test_line_search_lowers_a_hard_function_at_every_step() -> None:
    point = torch.tensor([-1.2, 1.0], dtype=torch.float64, requires_grad=True)

    def rosenbrock(x: Tensor) -> Tensor:
        return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2

    path = iterates(LBFGS([point], line_search_fn="strong_wolfe"), point, rosenbrock, 60)
    values = [float(rosenbrock(x.detach())) for x in path]
    assert values == sorted(values, reverse=True)
    assert values[-1] < 1e-8


def test_pairs_of_negative_curvature_are_dropped() -> None:
    point = torch.tensor([0.3], dtype=torch.float64, requires_grad=True)
    optimizer = LBFGS([point], lr=0.1)
    iterates(optimizer, point, lambda x: -x.square().sum(), 4)
    assert optimizer.state[point]["pairs"] == 0


def test_the_first_step_has_the_length_asked_for() -> None:
    start, loss_of = bowl()
    point = start.clone().requires_grad_()
    (moved,) = iterates(LBFGS([point], lr=0.5, first_step=0.02), point, loss_of, 1)
    assert float((moved - start).square().mean().sqrt()) == pytest.approx(0.01)


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e9])
def test_an_explosion_goes_back_to_the_best_picture(
    bad: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(logging.getLogger("impasto"), "warning", lambda line, *_: said.append(line))
    start, loss_of = bowl()
    point, calls = start.clone().requires_grad_(), 0

    def sometimes(x: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return loss_of(x) * bad if calls in (6, 9) else loss_of(x)

    path = iterates(LBFGS([point]), point, sometimes, 60)
    assert len(said) == 1
    assert "back to the best picture" in said[0]
    assert path[-1].isfinite().all()
    assert loss_of(path[-1]) < 1e-6 * loss_of(start)


def test_it_gives_up_after_a_few_explosions_with_the_best_picture() -> None:
    start, loss_of = bowl()
    point, calls = start.clone().requires_grad_(), 0

    def broken(x: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return loss_of(x) * (math.nan if calls > 4 else 1)

    optimizer = LBFGS([point])
    path = iterates(optimizer, point, broken, 4 + PATIENCE)
    best = min([start, *path[:3]], key=lambda x: float(loss_of(x)))
    with pytest.raises(impasto.ImpastoError, match="with no gain in between"):
        iterates(optimizer, point, broken, 1)
    torch.testing.assert_close(point.detach(), best)


def test_a_run_that_explodes_keeps_its_best_picture(
    invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    plugin, out = tmp_path / "exploding.py", tmp_path / "out.png"
    plugin.write_text(
        "import impasto\n"
        "class Exploding(impasto.Loss):\n"
        "    calls, layers = 0, ('image',)\n"
        "    def summarize_layer(self, feature): return {'feature': feature}\n"
        "    def compare_layer(self, summary, target):\n"
        "        self.calls += 1\n"
        "        term = summary['feature'].square().mean()\n"
        "        return term if self.calls < 5 else term * float('nan')\n"
        "@impasto.hookimpl\n"
        "def impasto_losses(): return [impasto.Offer('exploding', Exploding)]\n",
        encoding="utf-8",
    )
    done = invoke("run", pair.content, pair.style, "-o", out, "--size", 32, "--steps", 50,
                  "--plugin", plugin, "--loss", "exploding")  # fmt: skip
    assert done.status == 1
    assert done.err.count("back to the best picture") == 1
    assert "optimizer 'lbfgs' of plugin built in failed: the loss went from" in done.error
    assert f"is in '{out}'" in done.error
    assert out.is_file()


def test_its_state_is_tensors_and_numbers_and_goes_on_as_if_never_stopped() -> None:
    start, loss_of = bowl()
    whole = start.clone().requires_grad_()
    expected = iterates(LBFGS([whole]), whole, loss_of, 10)[-1]
    first = start.clone().requires_grad_()
    optimizer = LBFGS([first])
    iterates(optimizer, first, loss_of, 4)
    state = optimizer.state_dict()
    for value in state["state"][0].values():
        assert isinstance(value, (Tensor, int, float))
    second = first.detach().clone().requires_grad_()
    resumed = LBFGS([second])
    resumed.load_state_dict(state)
    assert torch.equal(iterates(resumed, second, loss_of, 6)[-1], expected)


def test_options_from_the_command_line(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    base = ("run", pair.content, pair.style, "-o", tmp_path / "out.png", "--size", 32,
            "--steps", 4, "--force", *SHALLOW, "--optimizer")  # fmt: skip
    good = "lbfgs:lr=0.8,history_size=5,line_search_fn=strong_wolfe,max_step=0.1,first_step=0.02"
    assert invoke(*base, good).status == 0
    for bad, complaint in {
        "lbfgs:history_size=0": "option 'history_size': must be greater than or equal to 1",
        "lbfgs:max_step=0": "option 'max_step': must be greater than 0",
        "lbfgs:first_step=-1": "option 'first_step': must be greater than or equal to 0",
        "lbfgs:line_search_fn=maybe": "option 'line_search_fn'",
    }.items():
        done = invoke(*base, bad)
        assert done.status == 1
        assert complaint in done.error


def test_a_history_in_bfloat16_takes_half_the_memory_and_goes_on_from_a_state() -> None:
    def run(steps: int, precision: str, state: dict[str, Any] | None = None) -> Any:
        point = nn.Parameter(torch.linspace(-2, 2, 50))
        scale = torch.linspace(1, 30, 50)
        optimizer = LBFGS([point], history_size=5, history_precision=precision)  # type: ignore[arg-type]
        if state is not None:
            point.data.copy_(state["point"])
            optimizer.load_state_dict(state["optimizer"])

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = (scale * point.square()).sum()
            torch.autograd.backward(loss)
            return loss

        losses = [optimizer.step(closure).item() for _ in range(steps)]
        kept = {"point": point.detach().clone(), "optimizer": copy.deepcopy(optimizer.state_dict())}
        return losses, kept, optimizer.state[point]["moves"]

    full, _, wide = run(30, "full")
    half, _, narrow = run(30, "bfloat16")
    assert narrow.nbytes == wide.nbytes / 2
    assert half[-1] < full[0] / 1e6
    assert half != full
    first, state, _ = run(12, "bfloat16")
    assert first + run(18, "bfloat16", state)[0] == half
