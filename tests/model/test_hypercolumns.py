"""Hypercolumns against layers that are enlarged and stacked; sampled places; the option by_stage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

import impasto
from helpers import Draw, Invoke, Pair, refused
from impasto.jobs.run import prepare_run
from impasto.optimization.loop import steps_of
from impasto.plugin import Places, hypercolumns, open_picture, to_tensor
from impasto.settings.settings import gather
from impasto.testing import run as run_tiny

LAYERS = ("fine", "middle", "coarse")
COLUMNS = ["relaxed_emd:hypercolumns=64", "covariance:hypercolumns=64", "palette:pixels=64",
           "self_similarity:hypercolumns=64"]  # fmt: skip


def maps(draw: Draw, height: int, width: int) -> dict[str, Tensor]:
    sizes = {"fine": 1, "middle": 2, "coarse": 8}
    return {
        layer: draw.uniform(1, 3 + number, max(1, height // part), max(1, width // part))
        for number, (layer, part) in enumerate(sizes.items())
    }


@pytest.mark.parametrize("size", [(16, 24), (17, 9), (9, 40), (8, 8)])
def test_columns_are_those_of_all_layers_enlarged_and_stacked(
    size: tuple[int, int], draw: Draw
) -> None:
    features = maps(draw, *size)
    stacked = torch.cat([interpolate(one, size, mode="bilinear") for one in features.values()], 1)
    places = draw.uniform(50, 2)
    down, across = (places[:, 0] * size[0]).long(), (places[:, 1] * size[1]).long()
    found = hypercolumns(features, LAYERS, places)
    torch.testing.assert_close(found[0, :, 0], stacked[0, :, down, across], rtol=0, atol=1e-12)


def test_columns_of_a_torus_are_those_of_three_copies(draw: Draw) -> None:
    features = maps(draw, 16, 16)
    thrice = {layer: one.tile(1, 1, 3, 3) for layer, one in features.items()}
    places = draw.uniform(50, 2)
    found = hypercolumns(features, LAYERS, places, (2, 3))
    wanted = hypercolumns(thrice, LAYERS, (places + 1) / 3)
    torch.testing.assert_close(found, wanted)


def test_gradient_of_columns_by_finite_differences(draw: Draw) -> None:
    features = [one.requires_grad_() for one in maps(draw, 8, 9).values()]
    places = draw.uniform(7, 2)

    def columns(*given: Tensor) -> Tensor:
        return hypercolumns(dict(zip(LAYERS, given, strict=True)), LAYERS, places)

    assert torch.autograd.gradcheck(columns, features)


def test_places_cover_the_square_and_follow_from_seed_and_step() -> None:
    def at(step: int, seed: int = 3, redraw: int = 2) -> Tensor:
        places = Places(256, redraw, 512, torch.Generator().manual_seed(seed))
        places.before_step(step)
        return places.now

    assert at(0).min() >= 0
    assert at(0).max() < 1
    counts = torch.histogramdd(at(4), [4, 4], range=[0, 1, 0, 1]).hist
    assert counts.min() >= 14, "evenly: 16 in each of 16 cells"
    assert torch.equal(at(4), at(5))
    assert not torch.equal(at(4), at(6))
    assert not torch.equal(at(4), at(4, seed=4))
    assert torch.equal(at(0, redraw=0), at(9, redraw=0))


@pytest.mark.parametrize("compiled", ["off", pytest.param("on", marks=pytest.mark.slow)])
def test_places_move_with_the_steps_and_the_style_sample_stays(pair: Pair, compiled: str) -> None:
    given = {"content": str(pair.content), "style": str(pair.style), "size": 32, "steps": 4,
             "optimizer": "torch.SGD:lr=0", "compile": compiled,
             "loss": ["relaxed_emd:hypercolumns=32,redraw=2,layers=conv1_1,conv2_1"]}  # fmt: skip
    run = prepare_run(gather(given, None, None))
    losses = [step.loss for step in steps_of(run)]
    assert losses[0] == pytest.approx(losses[1])
    assert losses[2] == pytest.approx(losses[3])
    assert losses[1] != pytest.approx(losses[2], rel=1e-4)
    assert losses[0] == pytest.approx(losses[2], rel=0.3)


@pytest.mark.parametrize("text", COLUMNS)
def test_a_run_lowers_it_twice_alike_and_with_another_seed_otherwise(text: str, pair: Pair) -> None:
    settings: dict[str, Any] = {
        "size": 48, "steps": 12, "optimizer": "adam:lr=0.05", "init": "noise",
        "loss": [text if "palette" in text else f"{text},layers=conv1_1,conv2_1"],
    }  # fmt: skip
    first, again, other = (
        impasto.run(pair.content, pair.style, seed=seed, **settings) for seed in (1, 1, 2)
    )
    assert first.losses == again.losses
    assert first.losses != other.losses
    assert first.losses[-1] < 0.9 * first.losses[0]


@pytest.mark.parametrize("text", [*COLUMNS[:3], "relaxed_emd"])
def test_a_mask_of_half_the_picture_leaves_the_other_half(
    text: str, pair: Pair, tmp_path: Path
) -> None:
    mask = Image.new("L", (64, 48), 0)
    mask.paste(255, (0, 0, 32, 48))
    mask.save(tmp_path / "mask.png")
    layers = "" if "palette" in text else f"{',' if ':' in text else ':'}layers=conv1_1"
    result = impasto.run(
        pair.content, f"{pair.style}:content_mask={tmp_path / 'mask.png'}", size=64, steps=10,
        optimizer="torch.RMSprop:lr=0.01", loss=[text + layers],
    )  # fmt: skip
    moved = (result.image - opened(pair.content)).abs().mean((0, 1, 2))
    assert moved[:30].mean() > 10 * moved[34:].mean()


def opened(path: Path) -> Tensor:
    return to_tensor(open_picture(path))


def test_a_style_mask_leaves_the_other_colors_out(pair: Pair, tmp_path: Path) -> None:
    style = Image.new("RGB", (56, 56), (250, 10, 10))
    style.paste((10, 10, 250), (0, 0, 28, 56))
    style.save(tmp_path / "two.png")
    mask = Image.new("L", (56, 56), 0)
    mask.paste(255, (0, 0, 28, 56))
    mask.save(tmp_path / "mask.png")
    result = impasto.run(
        pair.content, f"{tmp_path / 'two.png'}:style_mask={tmp_path / 'mask.png'}", size=32,
        steps=150, optimizer="torch.RMSprop:lr=0.01", loss=["palette:pixels=256"],
    )  # fmt: skip
    red, _, blue = result.image.mean((0, 2, 3))
    assert blue > red + 0.5


def test_by_stage_changes_the_weight_of_any_loss_with_each_stage(pair: Pair) -> None:
    settings: dict[str, Any] = {
        "size": 32, "scales": "16,24", "steps": 1, "optimizer": "torch.SGD:lr=0", "init": "noise",
    }  # fmt: skip
    plain, halved = (
        impasto.run(pair.content, pair.style, loss=[f"content:layers=conv1_1{more}"], **settings)
        for more in ("", ",by_stage=0.5")
    )
    parts = [one / other for one, other in zip(halved.losses, plain.losses, strict=True)]
    assert parts == pytest.approx([1, 0.5, 0.25])


def test_a_loss_given_as_an_object_has_it_as_an_attribute(pair: Pair) -> None:
    class Light(impasto.Loss):
        """Mean of the picture."""

        target = "none"

        def summarize_layer(self, feature: Tensor) -> impasto.Summary:
            return {"sum": feature.mean()}

        def compare_layer(self, summary: impasto.Summary, target: impasto.Summary) -> Tensor:
            return summary["sum"]

    loss = Light()
    loss.by_stage = 0
    result = run_tiny(loss=[loss], scales="16", size=32, steps=1, optimizer="torch.SGD:lr=0")
    assert result.losses[0] > 0.1
    assert result.losses[1] == 0


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("content:by_stage=-1", "option 'by_stage': must be greater than or equal to 0"),
        ("content:by_stge=1", "unknown option 'by_stge'; did you mean 'by_stage'?"),
        ("relaxed_emd:hypercolumns=9,layers=conv1_1,conv2_1,layer_weights=1,2",
         "layer_weights go with layers that are compared one by one"),
        ("relaxed_emd:hypercolumns=true", "option 'hypercolumns'"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused(
    text: str, complaint: str, invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "out.png", "--loss", text)
    assert complaint in refused(done)


def test_tiles_are_refused_in_one_line(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "out.png", "--tile", 64,
                  "--loss", "covariance")  # fmt: skip
    assert "loss 'covariance' needs the features of the whole picture" in refused(done)


@pytest.mark.slow
def test_preset_strotss_lowers_the_distance_from_the_style(pair: Pair) -> None:
    result = impasto.run(pair.content, pair.style, preset="strotss", size=48, steps=8)
    moved = result.history["relaxed_emd"]
    assert moved[-1] < 0.95 * moved[0]
    assert result.history["self_similarity"][0] == pytest.approx(0, abs=1e-3)
