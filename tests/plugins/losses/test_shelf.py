"""What every loss of the shelf must do, whatever its formula; values are in a file for each loss."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d

import impasto
from helpers import Draw, Invoke, Outcome, Pair, refused
from impasto.builtin import build_host
from impasto.model.objective import Objective

STYLE = ("moments", "wasserstein", "sliced", "histogram", "nearest", "relaxed_emd")
CONTENT = ("self_similarity", "laplacian")
FORMS = ("tv", "tv:form=absolute", "tv:form=nine_point", "range")
CHOICES = (
    "nearest:patch_size=1",
    "nearest:distance=contextual",
    "nearest:distance=cosine",
    "relaxed_emd:distance=contextual",
    "relaxed_emd:distance=squared",
    "sliced:projections=3",
    "laplacian:pool_sizes=1,2",
)
EVERY = (*STYLE, *CONTENT, *FORMS, *CHOICES)


class Small(impasto.Extractor):
    """One convolution and a pooling layer: enough for any loss, and compiled in a moment."""

    layers = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.register_buffer("kernel", torch.randn(6, 3, 3, 3, generator=generator) / 3)

    def forward(self, image: Tensor) -> impasto.Features:
        first = conv2d(image, self.kernel.to(image), padding=1).relu()
        pooled = avg_pool2d(first, 2)
        return {layer: first if layer == "conv1_1" else pooled for layer in self.selected}


def made(text: str, **options: object) -> impasto.Loss:
    spec = impasto.Spec.parse(text)
    host = build_host("all", ())
    loss = host.make("loss", impasto.Spec(spec.name, {**spec.options, **options}))
    assert isinstance(loss, impasto.Loss)
    return loss


def value(loss: impasto.Loss, draw: Draw) -> Callable[[Tensor], Tensor]:
    """The term of a small picture as a function of it, with a target picture of its own."""
    features = draw.uniform(1, 3, 12, 12)
    target = {} if loss.target == "none" else loss.summarize(dict.fromkeys(loss.layers, features))
    return lambda x: loss.compare(loss.summarize(dict.fromkeys(loss.layers, x)), target)


@pytest.mark.parametrize("text", EVERY)
def test_gradient_is_that_of_finite_differences(text: str, draw: Draw) -> None:
    term = value(made(text), draw)
    # Beyond [0, 1] on both sides, so that "range" has something to do.
    picture = (draw.uniform(1, 3, 12, 12) * 3 - 1).requires_grad_()
    assert torch.autograd.gradcheck(term, picture, eps=1e-7, atol=1e-6, rtol=1e-4, fast_mode=True)
    (gradient,) = torch.autograd.grad(term(picture), picture)
    assert gradient.norm() > 1e-4


@pytest.mark.parametrize("text", [text for text in EVERY if made(text).target != "none"])
def test_zero_at_its_own_target_only(text: str, draw: Draw) -> None:
    loss = made(text)
    own, other = draw.uniform(1, 3, 16, 12), draw.uniform(1, 3, 16, 12) ** 3
    target = loss.summarize(dict.fromkeys(loss.layers, own))
    here = loss.compare(loss.summarize(dict.fromkeys(loss.layers, own)), target)
    there = loss.compare(loss.summarize(dict.fromkeys(loss.layers, other)), target)
    assert here.item() == pytest.approx(0, abs=1e-6)
    assert there.item() > 1e-3


@pytest.mark.parametrize("text", STYLE)
def test_a_picture_with_nothing_of_the_style_counts_about_one(text: str, draw: Draw) -> None:
    """So that weights mean about the same: orthogonal features, one layer, default options."""
    loss = made(text)
    style, other = torch.zeros(1, 6, 8, 8), torch.zeros(1, 6, 8, 8)
    style[:, :3], other[:, 3:] = 1 + draw.uniform(1, 3, 8, 8), (1 + draw.uniform(1, 3, 8, 8)) / 20
    target = loss.summarize(dict.fromkeys(loss.layers, style))
    term = loss.compare(loss.summarize(dict.fromkeys(loss.layers, other)), target)
    assert 0.7 < term.item() < 1.3


def options(text: str) -> str:
    """Layers that need two convolutions of VGG-19, where the loss has a choice."""
    if made(text).layers == ("image",):
        return text
    return text + ("," if ":" in text else ":") + "layers=conv1_1,conv2_1"


@pytest.mark.parametrize("text", [text for text in EVERY if text != "range"])
def test_a_run_on_real_files_lowers_it(
    text: str, invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    """``range`` is zero at both starts; test_range.py has a run for it."""
    start = "noise" if made(text).target == "content" else "content"
    out = tmp_path / "out.png"
    done = invoke("run", pair.content, pair.style, "-o", out, "--size", 32, "--steps", 10,
                  "--init", start, "--loss", options(text), "--json")  # fmt: skip
    assert done.status == 0, done.err
    record = json.loads(done.out)
    assert record["loss"]["last"] < 0.8 * record["loss"]["first"]
    assert out.stat().st_size > 0


def first_losses(text: str, pair: Pair) -> tuple[float, float, float]:
    """The loss before the first step with both pictures as styles, and with each of them alone."""

    def first(*styles: Path) -> float:
        settings: dict[str, Any] = {"size": 48, "steps": 1, "loss": [options(text)]}
        return impasto.run(pair.content, styles, **settings).losses[0]

    return first(pair.style, pair.content), first(pair.style), first(pair.content)


@pytest.mark.parametrize("text", [text for text in STYLE if made(text).summary == "whole"])
def test_several_styles_of_a_loss_that_is_no_sum_count_their_mean(text: str, pair: Pair) -> None:
    both, style, content = first_losses(text, pair)
    assert both == pytest.approx((style + content) / 2, rel=1e-4)


@pytest.mark.parametrize("text", [text for text in STYLE if made(text).summary != "whole"])
def test_several_styles_of_a_loss_that_is_a_sum_are_one_mixed_target(text: str, pair: Pair) -> None:
    both, style, content = first_losses(text, pair)
    assert content < both < style


@pytest.mark.parametrize(
    "text", ["nearest:samples=20", "relaxed_emd:samples=20", "sliced:projections=2"]
)
def test_what_is_drawn_follows_the_seed(text: str, pair: Pair) -> None:
    first, again, other = (
        impasto.run(pair.content, pair.style, size=48, steps=2, seed=seed, loss=[options(text)])
        for seed in (5, 5, 6)
    )
    assert first.losses == again.losses
    assert first.losses[0] != other.losses[0]


def objective(text: str, draw: Draw) -> Objective:
    torch.manual_seed(0)
    made_objective = Objective(Small(), {"term": made(text)})
    styles = [draw.uniform(1, 3, 20, 24).float() for _ in range(2)]
    made_objective.set_targets(draw.uniform(1, 3, 16, 20).float(), styles, [0.25, 0.75])
    return made_objective


TO_MACHINE_CODE = (*STYLE, *CONTENT, *FORMS, "nearest:distance=contextual")
"""Compiling takes a minute: of the choices one for each distance that no default has."""


@pytest.mark.parametrize("text", EVERY)
def test_the_objective_is_captured_whole(text: str, draw: Draw) -> None:
    """No graph break in torch.compile, and the same value and gradient, two styles included."""
    # The gradient's graph is that of the next test, too.
    backend = "eager" if text in TO_MACHINE_CODE else "aot_eager"
    plain = objective(text, draw)
    torch.compiler.reset()
    captured = torch.compile(plain, fullgraph=True, backend=backend)
    picture = (draw.uniform(1, 3, 16, 20).float() * 3 - 1).requires_grad_()
    wanted, _ = plain(picture)
    found, _ = captured(picture)
    torch.testing.assert_close(found, wanted)
    gradients = [torch.autograd.grad(total, picture)[0] for total in (wanted, found)]
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("text", TO_MACHINE_CODE)
def test_the_objective_compiles_to_machine_code(text: str, draw: Draw) -> None:
    plain = objective(text, draw)
    torch.compiler.reset()
    compiled = torch.compile(plain, fullgraph=True)
    picture = (draw.uniform(1, 3, 16, 20).float() * 3 - 1).requires_grad_()
    wanted, found = plain(picture)[0], compiled(picture)[0]
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-5)
    gradients = [torch.autograd.grad(total, picture)[0] for total in (wanted, found)]
    torch.testing.assert_close(*gradients, rtol=1e-2, atol=1e-5)


WITH_LAYERS = (*STYLE, "self_similarity")
"""Losses with a choice of layers."""
WRONG: dict[tuple[str, str], tuple[object, object, str]] = {
    **{
        (name, "weight"): (
            2.5,
            -1,
            f"loss '{name}': option 'weight': must be greater than or equal to 0",
        )
        for name in (*STYLE, *CONTENT, "tv", "range")
    },
    **{
        (name, "layers"): (
            ["conv1_1", "conv2_1"],
            "conv4_7",
            "unknown layer 'conv4_7'; did you mean 'conv4_2'?",
        )
        for name in WITH_LAYERS
    },
    **{
        (name, "layer_weights"): (
            [1, 0.5],
            [1, 2, 3],
            "3 layer_weights for 2 layers; give one for each",
        )
        for name in WITH_LAYERS
    },
    ("sliced", "projections"): (4, -2, "must be greater than or equal to 0"),
    ("nearest", "patch_size"): (2, 0, "must be greater than or equal to 1"),
    ("nearest", "distance"): ("cosine", "cosin", "did you mean 'cosine'?"),
    ("nearest", "samples"): (9, 0, "must be greater than or equal to 1"),
    ("relaxed_emd", "distance"): ("contextual", "cosin", "did you mean 'cosine'?"),
    ("relaxed_emd", "samples"): (9, 0, "must be greater than or equal to 1"),
    ("self_similarity", "samples"): (9, 1, "must be greater than or equal to 2"),
    ("self_similarity", "fade"): (2, 5, "must be less than or equal to 4"),
    ("laplacian", "fade"): (2, -1, "must be greater than or equal to 0"),
    ("laplacian", "pool_sizes"): ([2, 4], [0], "must be greater than or equal to 1"),
    ("tv", "form"): ("nine_point", "nine", "Allowed: absolute, nine_point, squared"),
}
"""By loss and option: a value that fits, one that does not, and what the error says."""


Door = Callable[[dict[str, object]], float]
"""A run of one small step with one loss, given as a table: the first loss, or a SettingsError."""


def typed(item: object) -> str:
    return ",".join(map(str, item)) if isinstance(item, list) else str(item)


def by_command(invoke: Invoke, pair: Pair, loss: dict[str, object]) -> float:
    pairs = ",".join(f"{key}={typed(item)}" for key, item in loss.items() if key != "name")
    return first_loss(
        invoke("run", pair.content, pair.style, "-o", pair.content.with_name("a.png"), "--force",
               "--plugin", "impasto.testing", "--extractor", "tiny", "--size", 32, "--steps", 1,
               "--loss", f"{loss['name']}:{pairs}", "--json")
    )  # fmt: skip


def by_file(invoke: Invoke, pair: Pair, loss: dict[str, object]) -> float:
    config = pair.content.with_name("settings.toml")
    lines = [
        "size = 32",
        "steps = 1",
        'extractor = "tiny"',
        "[[loss]]",
    ]
    lines += [f"{key} = {json.dumps(item)}" for key, item in loss.items()]
    config.write_text("\n".join(lines), encoding="utf-8")
    return first_loss(
        invoke("run", pair.content, pair.style, "-o", pair.content.with_name("b.png"), "--force",
               "--config", config, "--plugin", "impasto.testing", "--json")
    )  # fmt: skip


def first_loss(done: Outcome) -> float:
    if done.status != 0:
        raise impasto.SettingsError(refused(done))
    first: float = json.loads(done.out)["loss"]["first"]
    return first


def by_python(pair: Pair, loss: dict[str, object]) -> float:
    return impasto.run(
        pair.content, pair.style, size=32, steps=1, loss=[loss], plugin=["impasto.testing"],
        extractor="tiny",
    ).losses[0]  # fmt: skip


@pytest.mark.parametrize(("name", "option"), WRONG)
def test_option_by_all_three_doors(name: str, option: str, invoke: Invoke, pair: Pair) -> None:
    good, bad, complaint = WRONG[name, option]
    loss: dict[str, object] = {"name": name, "weight": 1.5}
    if name in WITH_LAYERS:
        loss["layers"] = ["conv1_1", "conv2_1"]
    doors: list[Door] = [
        partial(by_python, pair),
        partial(by_command, invoke, pair),
        partial(by_file, invoke, pair),
    ]
    losses = [door({**loss, option: good}) for door in doors]
    assert losses == pytest.approx([losses[0]] * 3)
    for door in doors:
        with pytest.raises(impasto.SettingsError, match=re.escape(complaint)):
            door({**loss, option: bad})


ELSEWHERE = {"by_stage", "hypercolumns", "redraw"}
"""Options that many losses have: test_hypercolumns.py."""


def test_every_option_is_in_the_table() -> None:
    host = build_host("all", ())
    for name in (*STYLE, *CONTENT, "tv", "range"):
        offered = host.find("loss", name)
        assert {option.name for option in offered.options} - ELSEWHERE == {
            option for loss, option in WRONG if loss == name
        }
