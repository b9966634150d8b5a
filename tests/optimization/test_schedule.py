"""Learning-rate schedules: torch's own, over the steps of each stage."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from helpers import SHALLOW, Invoke, Pair
from impasto import SettingsError, Spec
from impasto.optimization.schedule import (
    advance,
    check_schedule,
    make_schedule,
    schedule_names,
    slow_down,
)

NEEDS = {
    "StepLR": "step_size=2",
    "MultiStepLR": "milestones=2,4",
    "ExponentialLR": "gamma=0.9",
    "CosineAnnealingWarmRestarts": "T_0=3",
    "CyclicLR": "base_lr=0.01,max_lr=0.1,cycle_momentum=false",
    "OneCycleLR": "max_lr=0.1",
}
"""What must be given besides a name."""


def optimizer(rate: float = 1.0) -> torch.optim.Optimizer:
    parameter = torch.zeros(1, requires_grad=True)
    parameter.grad = torch.zeros(1)
    return torch.optim.Adam([parameter], lr=rate)


def rates(text: str, steps: int, halved_before: int | None = None) -> list[float]:
    """The rate of each step, and the one after the last."""
    of = optimizer()
    schedule = make_schedule(Spec.parse(text), of, steps)
    found = []
    for step in range(steps):
        if step == halved_before:
            slow_down(of, schedule)
        found.append(of.param_groups[0]["lr"])
        of.step()
        advance(schedule, torch.tensor(1.0))
    return [*found, of.param_groups[0]["lr"]]


def test_the_stages_steps_are_the_length_if_none_is_given() -> None:
    wanted = [(1 + math.cos(math.pi * step / 8)) / 2 for step in range(9)]
    assert rates("CosineAnnealingLR", 8) == pytest.approx(wanted)
    assert rates("CosineAnnealingLR:T_max=4", 4) == pytest.approx(wanted[::2])
    assert rates("LinearLR:start_factor=1,end_factor=0.5", 5)[-1] == pytest.approx(0.5)
    assert rates("PolynomialLR", 5) == pytest.approx([1, 0.8, 0.6, 0.4, 0.2, 0])


def test_schedules_with_lists_and_words() -> None:
    assert rates("MultiStepLR:milestones=2,4,gamma=0.5", 5) == [1, 1, 0.5, 0.5, 0.25, 0.25]
    assert max(rates("OneCycleLR:max_lr=0.3,anneal_strategy=linear", 9)) == pytest.approx(
        0.3, rel=0.2
    )


@pytest.mark.parametrize("name", schedule_names())
def test_rates_that_are_halved_stay_half_as_the_schedule_goes_on(name: str) -> None:
    text = f"{name}:{NEEDS[name]}" if name in NEEDS else name
    plain, halved = rates(text, 9), rates(text, 9, halved_before=4)
    assert halved == pytest.approx(plain[:4] + [rate / 2 for rate in plain[4:]])


def test_a_schedule_that_follows_the_loss() -> None:
    of = optimizer()
    schedule = make_schedule(Spec.parse("ReduceLROnPlateau:patience=1,factor=0.5"), of, 9)
    for loss in (3.0, 2.0, 2.0, 2.0):
        of.step()
        advance(schedule, torch.tensor(loss))
    assert of.param_groups[0]["lr"] == 0.5


@pytest.mark.parametrize("name", schedule_names())
def test_every_schedule_serves_a_run(name: str, invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    text = f"{name}:{NEEDS[name]}" if name in NEEDS else name
    done = invoke(
        "run", pair.content, pair.style, "-o", tmp_path / "a.png", "--size", 32, "--scales", "24",
        "--steps", 3, *SHALLOW, "--optimizer", "torch.SGD:lr=0.01", "--schedule", text,
    )  # fmt: skip
    assert done.status == 0, done.err


def test_a_schedule_changes_the_picture(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    files = [tmp_path / "plain.png", tmp_path / "scheduled.png", tmp_path / "none.png"]
    for file, text in zip(files, ("", "ExponentialLR:gamma=0.5", "none"), strict=True):
        more = ["--schedule", text] if text else []
        done = invoke("run", pair.content, pair.style, "-o", file, "--size", 32, "--steps", 4, *SHALLOW,
                      "--no-recipe", "--optimizer", "adam:lr=0.1", *more)  # fmt: skip
        assert done.status == 0, done.err
    plain, scheduled, none = (file.read_bytes() for file in files)
    assert plain != scheduled
    assert plain == none


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("CosineLR", "unknown schedule 'CosineLR'; did you mean 'CosineAnnealingLR'? Allowed"),
        ("StepLR", "schedule 'StepLR': the option 'step_size' must be given"),
        (
            "StepLR:step_size=many",
            "schedule 'StepLR': option 'step_size': must be a whole number, not 'many'",
        ),
        ("StepLR:stepsize=3", "unknown option 'stepsize'; did you mean 'step_size'?"),
        ("OneCycleLR:max_lr=1,anneal_strategy=cosine", "did you mean 'cos'? Allowed: cos, linear"),
        ("LambdaLR", "unknown schedule 'LambdaLR'"),
    ],
)
def test_what_does_not_fit_is_refused_before_any_work(
    text: str, complaint: str, invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError):
        check_schedule(Spec.parse(text))
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "a.png", "--schedule", text)
    assert done.status == 1
    assert complaint in done.error


def test_a_schedule_that_the_optimizer_cannot_follow_is_named(
    invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    text = "CyclicLR:base_lr=0.01,max_lr=0.1"
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "a.png", "--size", 32, *SHALLOW,
                  "--optimizer", "torch.Adagrad", "--schedule", text)  # fmt: skip
    assert done.status == 1
    assert done.error.startswith(
        f"impasto: error: schedule '{text}': optimizer must support momentum"
    )
