"""L-BFGS that starts from curvature by band of frequency: against dense matrices written out here."""

from __future__ import annotations

import cmath
import functools
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

import impasto
from helpers import SHALLOW, Invoke, Pair, minimize
from impasto.optimization.tensor_memory import LiveTensors
from impasto_plugins.optimizers import frequency_bands
from impasto_plugins.optimizers.frequency_bands import FrequencyBands
from impasto_plugins.optimizers.lbfgs import LBFGS

SIZES = [(6, 8), (5, 7), (1, 9), (7, 1), (1, 1), (2, 2), (3, 16)]


def band(row: int, column: int, height: int, width: int) -> int:
    """The half octave below the highest frequency in which a wave is."""
    vertical = min(row, height - row) / height
    horizontal = min(column, width - column) / width
    frequency = max(math.sqrt(vertical**2 + horizontal**2), 1 / max(height, width))
    return max(0, round(2 * math.log2(math.sqrt(0.5) / frequency)))


def dense(height: int, width: int, factors: dict[int, float]) -> Tensor:
    """The matrix that multiplies each band of one channel, from sums of waves."""
    places = [(row, column) for row in range(height) for column in range(width)]

    @functools.cache
    def entry(down: int, right: int) -> float:
        waves = (
            factors[band(row, column, height, width)]
            * cmath.exp(2j * math.pi * (row * down / height + column * right / width))
            for row, column in places
        )
        return (sum(waves) / (height * width)).real

    return torch.tensor(
        [[entry(a - c, b - d) for c, d in places] for a, b in places], dtype=torch.float64
    )


def dense_in_color(height: int, width: int, factors: list[float]) -> Tensor:
    """The matrix that multiplies each band of light, of red against blue, and of both against green."""
    numbers = sorted({band(y, x, height, width) for y in range(height) for x in range(width)})
    axes = [(1, 1, 1), (1, 0, -1), (1, -2, 1)]
    matrix = torch.zeros(3 * height * width, 3 * height * width, dtype=torch.float64)
    for place, axis in enumerate(axes):
        own = factors[place * len(numbers) : (place + 1) * len(numbers)]
        if not any(own):
            continue
        one = dense(height, width, dict(zip(numbers, own, strict=True)))
        direction = torch.tensor(axis, dtype=torch.float64) / math.sqrt(sum(x * x for x in axis))
        matrix += torch.kron(torch.outer(direction, direction), one)
    return matrix


def random(*shape: int, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("size", SIZES)
def test_bands_are_those_of_a_dense_matrix(size: tuple[int, int]) -> None:
    numbers = sorted(
        {band(row, column, *size) for row in range(size[0]) for column in range(size[1])}
    )
    bands, vector = FrequencyBands([torch.zeros(1, 2, *size).double()]), random(2 * math.prod(size))
    factors = random(len(numbers), seed=3).exp()
    matrix = dense(*size, dict(zip(numbers, factors.tolist(), strict=True)))
    expected = torch.kron(torch.eye(2).double(), matrix) @ vector
    torch.testing.assert_close(bands.multiplied(vector, factors), expected)
    squares = bands.squares([vector])[0]
    assert float(squares.sum()) == pytest.approx(float(vector @ vector))
    for place, number in enumerate(numbers):
        only = dense(*size, {other: float(other == number) for other in numbers})
        part = torch.kron(torch.eye(2).double(), only) @ vector
        assert float(squares[place]) == pytest.approx(float(part @ part))


@pytest.mark.parametrize("size", [(6, 8), (5, 7), (1, 1)])
def test_a_picture_of_three_channels_has_bands_for_each_axis_of_color(
    size: tuple[int, int],
) -> None:
    vector = random(3 * math.prod(size))
    bands = FrequencyBands([torch.zeros(1, 3, *size).double()])
    squares = bands.squares([vector])[0]
    factors = random(len(squares), seed=3).exp()
    expected = dense_in_color(*size, factors.tolist()) @ vector
    torch.testing.assert_close(bands.multiplied(vector, factors), expected)
    for place in range(len(squares)):
        part = dense_in_color(*size, [float(x == place) for x in range(len(squares))]) @ vector
        assert float(squares[place]) == pytest.approx(float(part @ part))


def test_each_parameter_has_its_bands() -> None:
    picture, plain = random(1, 3, 4, 6), random(5)
    both, alone = FrequencyBands([plain, picture]), FrequencyBands([picture])
    vector = random(5 + 72)
    factors = random(len(both.squares([vector])[0]), seed=4).exp()
    found = both.multiplied(vector, factors)
    torch.testing.assert_close(found[:5], vector[:5] * factors[0])
    torch.testing.assert_close(found[5:], alone.multiplied(vector[5:], factors[1:]))
    torch.testing.assert_close(both.squares([vector])[0][1:], alone.squares([vector[5:]])[0])


@pytest.mark.parametrize("shape", [(1, 3, 48, 65), (2, 3, 20, 30), (1, 2, 40, 30)])
def test_a_large_picture_takes_less_memory_and_gives_the_same(
    shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = torch.zeros(shape)
    bands = FrequencyBands([picture])
    vectors = list(random(2, picture.numel()).float())
    found, peaks = [], []
    for most in (frequency_bands.AT_ONCE, 100):
        monkeypatch.setattr(frequency_bands, "AT_ONCE", most)
        with LiveTensors() as live:
            squares = bands.squares(vectors)
            factors = squares[0].clamp_min(0.1)
            found.append((squares, bands.multiplied(vectors[0], factors)))
        peaks.append(live.peak)
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])
    assert peaks[1] < 0.7 * peaks[0]


def test_what_is_faint_weighs_less() -> None:
    picture = torch.zeros(1, 3, 40, 60).double()
    picture[..., :30] = random(1, 3, 40, 30)
    picture[..., 30:] = 1e-3 * random(1, 3, 40, 30, seed=2)
    weights = FrequencyBands([picture]).weights(picture.flatten()).view(picture.shape)
    assert float(weights[..., :20].min()) == 1
    assert 0 < float(weights[..., 40:].max()) < 1e-4
    assert torch.equal(FrequencyBands([random(7)]).weights(random(7)), torch.ones(7).double())


def test_each_axis_of_color_is_smoothed_by_itself() -> None:
    bands, one = (FrequencyBands([torch.zeros(1, x, 8, 8)]) for x in (3, 1))
    moves, changes = random(18).square(), random(18, seed=2).square()
    expected = [one.inverse_curvatures(moves[i : i + 6], changes[i : i + 6]) for i in (0, 6, 12)]
    torch.testing.assert_close(bands.inverse_curvatures(moves, changes), torch.cat(expected))


def test_inverse_curvatures_are_ratios_smoothed_over_neighbors() -> None:
    bands = FrequencyBands([torch.zeros(1, 1, 8, 8)])
    moves, changes = random(6).square(), random(6, seed=2).square()
    moves[2] = changes[2] = 0
    logarithms = [math.log(s / y) / 2 for s, y in zip(moves.tolist(), changes.tolist(), strict=True)
                  if s > 0]  # fmt: skip
    logarithms.insert(2, sum(logarithms) / 5)
    beside = [logarithms[0], *logarithms, logarithms[-1]]
    expected = [math.exp(sum(beside[place : place + 3]) / 3) for place in range(6)]
    assert bands.inverse_curvatures(moves, changes).tolist() == pytest.approx(expected)


def waves(size: tuple[int, int]) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """A start and a quadratic whose curvature is the square of frequency, as of a blurred picture."""
    target = random(1, 3, *size, seed=5)
    vertical, horizontal = (torch.fft.fftfreq(one, dtype=torch.float64) for one in size)
    curvature = vertical[:, None].square() + horizontal.square() + 1e-3

    def loss_of(image: Tensor) -> Tensor:
        spectrum = torch.fft.fft2(image - target, norm="ortho")
        loss: Tensor = (spectrum.abs().square() * curvature).sum() / 2
        return loss

    return torch.zeros_like(target), loss_of


@pytest.mark.parametrize("history_size", [3, 8])
def test_direction_is_that_of_the_dense_formula(history_size: int) -> None:
    start, loss_of = waves((5, 6))
    point = start.clone().requires_grad_()
    optimizer = LBFGS([point], history_size=history_size, precondition=True)
    minimize(optimizer, point, loss_of, 7)
    memory, bands = optimizer.state[point], FrequencyBands([point])
    gradient = random(90, seed=6)
    inverse = dense_in_color(5, 6, memory["factors"].tolist())
    whole = torch.eye(90).double()
    kept = memory["pairs"]
    assert kept == min(6, history_size)
    for age in reversed(range(kept)):
        slot = (memory["newest"] - age) % history_size
        s, y = memory["moves"][slot], memory["changes"][slot]
        left = whole - torch.outer(s, y) / (s @ y)
        inverse = left @ inverse @ left.T + torch.outer(s, s) / (s @ y)
    torch.testing.assert_close(optimizer._direction(gradient), -inverse @ gradient)
    # And what it starts from has the inverse curvature of the newest pair, and half as much again.
    s, y = (memory[name][memory["newest"]] for name in ("moves", "changes"))
    assert float(y @ bands.multiplied(y, memory["factors"])) == pytest.approx(1.5 * float(s @ y))


@pytest.mark.parametrize("size", [(24, 31), (1, 40), (16, 16)])
def test_it_needs_fewer_evaluations(size: tuple[int, int]) -> None:
    start, loss_of = waves(size)
    evaluations = []
    for precondition in (False, True):
        point = start.clone().requires_grad_()
        losses = minimize(LBFGS([point], precondition=precondition), point, loss_of, 150)
        goal = losses[0] * 1e-4
        evaluations.append(next(number for number, loss in enumerate(losses) if loss <= goal))
    plain, preconditioned = evaluations
    assert preconditioned <= plain / 2


@pytest.mark.parametrize(
    "shape", [(1, 3, 1, 1), (1, 3, 1, 2), (1, 1, 2, 1), (12,), (1, 3, 4, 3, 2)]
)
def test_any_shape_reaches_the_minimum(shape: tuple[int, ...]) -> None:
    target = random(*shape)
    weights = random(*shape, seed=7).exp()
    point = torch.zeros_like(target).requires_grad_()

    def loss_of(x: Tensor) -> Tensor:
        return ((x - target).square() * weights).sum()

    losses = minimize(LBFGS([point], precondition=True), point, loss_of, 60)
    assert losses[-1] < 1e-10 * losses[0]


def test_what_is_no_picture_goes_down_as_well() -> None:
    target, weights = random(1, 3, 4, 3, 2), random(1, 3, 4, 3, 2, seed=7).exp()
    losses = []
    for precondition in (False, True):
        point = torch.zeros_like(target).requires_grad_()
        optimizer = LBFGS([point], precondition=precondition)
        path = minimize(optimizer, point, lambda x: ((x - target).square() * weights).sum(), 30)
        losses.append(path[-1])
    assert losses[1] <= max(losses[0], 1e-12)


def test_a_part_that_never_moves_does_no_harm() -> None:
    start, loss_of = waves((8, 12))
    point = start.clone().requires_grad_()

    def mean_color(x: Tensor) -> Tensor:
        return loss_of(x.mean((2, 3), keepdim=True).expand_as(x))

    losses = minimize(LBFGS([point], precondition=True), point, mean_color, 40)
    assert point.isfinite().all()
    assert losses[-1] == pytest.approx(min(losses))
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("bad", [math.nan, 1e9])
def test_an_explosion_goes_back_to_the_best_picture(bad: float) -> None:
    start, loss_of = waves((8, 12))
    point, calls = start.clone().requires_grad_(), 0

    def sometimes(x: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return loss_of(x) * bad if calls in (4, 6) else loss_of(x)

    minimize(LBFGS([point], precondition=True), point, sometimes, 60)
    assert point.isfinite().all()
    assert loss_of(point.detach()) < 1e-6 * loss_of(start)


def test_its_state_goes_on_as_if_never_stopped() -> None:
    start, loss_of = waves((9, 10))
    whole, first = (start.float().clone().requires_grad_() for _ in range(2))
    minimize(LBFGS([whole], precondition=True), whole, loss_of, 9)
    optimizer = LBFGS([first], precondition=True)
    minimize(optimizer, first, loss_of, 4)
    state = optimizer.state_dict()
    for value in state["state"][0].values():
        assert isinstance(value, (Tensor, int, float))
    second = first.detach().clone().requires_grad_()
    resumed = LBFGS([second], precondition=True)
    resumed.load_state_dict(state)
    minimize(resumed, second, loss_of, 5)
    assert torch.equal(second, whole)


@pytest.mark.parametrize(
    "canvas", ["pixels", "pixels:clamp=true", "normalized", "fourier", "laplacian"]
)
def test_every_canvas_is_painted(invoke: Invoke, pair: Pair, tmp_path: Path, canvas: str) -> None:
    pictures = {}
    for precondition in ("true", "false"):
        out = tmp_path / f"{precondition}.png"
        done = invoke("run", pair.content, pair.style, "-o", out, "--size", 33, "--steps", 12,
                      *SHALLOW, "--canvas", canvas, "--precision", "float32",
                      "--optimizer", f"lbfgs:precondition={precondition}")  # fmt: skip
        assert done.status == 0, done.err
        with Image.open(out) as opened:
            pictures[precondition] = opened.tobytes()
    if canvas != "fourier":
        assert pictures["true"] != pictures["false"]


def test_masks_and_several_styles_reach_a_lower_loss_than_without(
    pair: Pair, tmp_path: Path
) -> None:
    mask = tmp_path / "mask.png"
    Image.new("L", (32, 24), 0).save(mask)
    with Image.open(mask) as opened:
        opened.paste(255, (0, 0, 16, 24))
        opened.save(mask)
    losses = {}
    for precondition in ("true", "false"):
        result = impasto.run(
            pair.content, [pair.style, f"{pair.content}:content_mask={mask}"],
            size=32, steps=15, precision="float32",
            loss=["content:layers=conv2_1", "gram:layers=conv1_1,conv2_1,weight=10"],
            optimizer=f"lbfgs:precondition={precondition}",
        )  # fmt: skip
        losses[precondition] = result.losses[-1]
    assert losses["true"] < losses["false"]


def test_the_option_is_checked(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "a.png", "--optimizer",
                  "lbfgs:precondition=maybe")  # fmt: skip
    assert done.status == 1
    assert "option 'precondition'" in done.error
