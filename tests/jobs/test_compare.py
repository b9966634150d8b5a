"""The measure of quality: what it says of pictures of which the answer is known."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageFilter
from torchvision.models import squeezenet1_1

from helpers import Invoke, Pair, refused
from impasto.jobs.compare import HELD_OUT, Score
from impasto.jobs.in_words import in_words
from impasto.jobs.measures import color_distance, to_lab

LAYERS = ("--layers", "conv1_2,conv2_2", "--size", 48)


@pytest.fixture
def blends(pair: Pair, tmp_path: Path) -> list[Path]:
    """The content with ever wider a part of the style laid over it, and the content blurred."""
    with Image.open(pair.content) as content, Image.open(pair.style) as style:
        over = style.resize(content.size)
        made = [tmp_path / f"{share}.png" for share in (25, 75)]
        for path, share in zip(made, (0.25, 0.75), strict=True):
            part = over.crop((0, 0, round(share * over.width), over.height))
            laid = content.copy()
            laid.paste(part, (0, 0))
            laid.save(path)
        blurred = tmp_path / "blurred.png"
        content.filter(ImageFilter.GaussianBlur(3)).save(blurred)
    return [*made, blurred]


def scores(invoke: Invoke, pair: Pair, results: list[Path], *more: object) -> list[dict[str, Any]]:
    network = () if "--extractor" in more else ("--extractor", "vgg19")
    done = invoke("compare", *results, "--content", pair.content, "--style", pair.style, "--json",
                  *LAYERS, *network, *more)  # fmt: skip
    assert done.status == 0, done.err
    records: list[dict[str, Any]] = json.loads(done.out)
    return records


def test_more_of_the_style_is_nearer_to_it_and_farther_from_the_content(
    invoke: Invoke, pair: Pair, blends: list[Path]
) -> None:
    content, style, little, much, blurred = scores(invoke, pair, blends)
    assert [row["picture"] for row in (content, style)] == ["content", "style"]
    assert content["content"] == {"content": 0, "self_similarity": pytest.approx(0, abs=1e-6)}
    for distance in ("wasserstein", "gram"):
        assert style["style"][distance] < 0.2 * content["style"][distance]
        assert style["style"][distance] < much["style"][distance] < content["style"][distance]
    for distance in ("content", "self_similarity"):
        assert 0 < little["content"][distance] < much["content"][distance]
        assert much["content"][distance] < style["content"][distance]
        assert blurred["content"][distance] > 0
    assert set(much["layers"]["gram"]) == {"conv1_2", "conv2_2"}
    mean = sum(much["layers"]["gram"].values()) / 2
    assert much["style"]["gram"] == pytest.approx(mean)


def test_table_and_sheet(invoke: Invoke, pair: Pair, blends: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    done = invoke("compare", *blends, "--content", pair.content, "--style", pair.style, *LAYERS,
                  "-o", out)  # fmt: skip
    assert done.status == 0, done.err
    # Long paths are folded, so that a row may take several lines.
    rows = [
        line
        for line in done.out.splitlines()
        if len(line.split()) >= 4 and line.split()[-1].lstrip("-")[0].isdigit()
    ]
    assert len(rows) == 2 + len(blends)
    assert "Wasserstein" in done.out
    assert "distances on conv1_2, conv2_2 of vgg19, random:scale=false; 0 is equal" in done.err
    with Image.open(out) as sheet:
        assert sheet.width > 3 * 320
    assert "style, Gram: 75.png is nearest to the style (" in done.out
    assert re.search(
        r"content, features: \w+.png keeps the most .*; .*75.png \d+ % farther", done.out
    )
    assert re.search(
        r"structure, SSIM: blurred.png keeps the most .*; 25.png \d+ % less, 75.png \d+ % less",
        done.out,
    )
    assert re.search(r"style, Wasserstein, on random: 75.png is nearest", done.out)
    again = invoke("compare", *blends, "--content", pair.content, "--style", pair.style, *LAYERS,
                   "-o", out)  # fmt: skip
    assert "exists; set force to overwrite it (--force)" in again.error


def test_no_loss_has_one_of_the_layers_by_default() -> None:
    from impasto.builtin import build_host

    host = build_host("none")
    used = {
        layer
        for item in host.offered
        # Its distances are of all layers as one.
        if item.kind == "loss" and item.offer.name != "neural_neighbors"
        for option in item.options
        if option.name == "layers" and isinstance(option.default, tuple)
        for layer in option.default
    }
    assert {"conv4_2", "conv1_1"} <= used
    assert not used & set(HELD_OUT)


def test_another_network_is_used_where_it_is_given(
    invoke: Invoke, pair: Pair, blends: list[Path], weights: Path
) -> None:
    usual = scores(invoke, pair, blends)
    other = scores(invoke, pair, blends, "--extractor", f"vgg19:weights={weights}")
    assert usual[2]["style"] != other[2]["style"]
    assert other[0]["extractor"] == f"vgg19:weights={weights}"


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--layers", "conv1_9"), "unknown layer 'conv1_9'; did you mean 'conv1_"),
        (("--extractor", "vgg20"), "unknown extractor 'vgg20'; did you mean 'vgg19'?"),
        (("--style", "none.png"), "picture 'none.png' does not exist"),
        (("--size", "8"), "8 is not in the range x>=16"),
    ],
)
def test_what_is_refused(
    invoke: Invoke, pair: Pair, options: tuple[str, ...], complaint: str
) -> None:
    done = invoke("compare", pair.style, "--content", pair.content, "--style", pair.style, *options)
    assert done.status != 0
    assert complaint in done.error


def test_the_same_every_time_and_the_callers_random_numbers_are_left_alone(
    invoke: Invoke, pair: Pair, blends: list[Path]
) -> None:
    # Shapes are compared on a sample of the pixels of larger layers.
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        found.append(scores(invoke, pair, blends, "--size", 96))
        drawn = torch.rand(())
        assert drawn == torch.rand((), generator=torch.Generator().manual_seed(seed))
        assert torch.initial_seed() == seed
    assert found[0] == found[1]


def test_measures_that_no_loss_has(invoke: Invoke, pair: Pair, blends: list[Path]) -> None:
    networks = ("--extractor", "vgg19", "--extractor", "random:scale=false")
    content, style, little, much, blurred = scores(invoke, pair, blends, *networks)
    assert content["structure"]["ssim"] == pytest.approx(1, abs=1e-5)
    assert content["colors"]["content"] == 0
    assert style["colors"]["style"] < 0.3 * content["colors"]["style"]
    assert 1 > little["structure"]["ssim"] > much["structure"]["ssim"]
    assert much["structure"]["ssim"] > style["structure"]["ssim"]
    assert little["colors"]["style"] > much["colors"]["style"]
    assert blurred["structure"]["ssim"] < 1
    assert list(content["networks"]) == ["random:scale=false"]
    distances = [
        row["networks"]["random:scale=false"]["wasserstein"]
        for row in (content, little, much, style)
    ]
    assert distances == sorted(distances, reverse=True)


def test_lab_is_that_of_the_standard() -> None:
    colors = torch.tensor([[1.0, 0, 0], [1, 1, 1], [0, 0, 1], [0, 0, 0]]).T.reshape(1, 3, 2, 2)
    # Lindbloom's values for D65.
    expected = [[53.2408, 80.0925, 67.2032], [100, 0, 0], [32.2970, 79.1875, -107.8602], [0, 0, 0]]
    found = to_lab(colors)[0].flatten(1).T
    torch.testing.assert_close(found, torch.tensor(expected), rtol=0, atol=0.02)


def test_colors_are_as_far_as_they_are_moved() -> None:
    gray = torch.full((1, 3, 8, 8), 0.5)
    lighter = torch.full((1, 3, 12, 5), 0.6)
    apart = to_lab(lighter)[0, :, 0, 0] - to_lab(gray)[0, :, 0, 0]
    assert color_distance(gray, lighter) == pytest.approx(float(apart.norm()), rel=1e-4)
    left = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert color_distance(left, left.flip(3)) == 0


def test_lpips_where_its_weights_are_at_hand(
    invoke: Invoke, pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    square = tmp_path / "square.png"
    with Image.open(pair.content) as picture:
        picture.resize((64, 64)).save(square)
    command = ("compare", square, pair.style, "--content", square, "--style", pair.style,
               "--size", 64, "--extractor", "vgg19", "--layers", "conv1_2")  # fmt: skip
    without = invoke(*command)
    assert (
        "LPIPS is left out: the weights of its network are not at hand, and nothing is"
        in without.err
    )
    weights = tmp_path / "hub" / "checkpoints" / "squeezenet1_1-b8a52dc0.pth"
    weights.parent.mkdir(parents=True)
    torch.save(squeezenet1_1().state_dict(), weights)
    done = invoke(*command, "--json")
    assert done.status == 0, done.err
    assert "LPIPS" not in done.err
    _, style, same, other = json.loads(done.out)
    assert same["structure"]["lpips"] == pytest.approx(0, abs=1e-6)
    assert other["structure"]["lpips"] == style["structure"]["lpips"] > 0


def test_a_package_that_is_missing_is_said_in_a_line(
    invoke: Invoke, pair: Pair, blends: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec

    def missing(name: str, package: str | None = None) -> object:
        return None if name == "torchmetrics" else find(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", missing)
    done = invoke("compare", *blends[:2], "--content", pair.content, "--style", pair.style, *LAYERS,
                  "--extractor", "vgg19")  # fmt: skip
    assert done.status == 0, done.err
    assert (
        "SSIM and LPIPS are left out: they need the package torchmetrics, which is not" in done.err
    )
    assert "pip install 'impasto[compare]'" in done.err
    assert "SSIM" not in done.out


def test_sizes_and_shapes_that_differ_are_said(
    invoke: Invoke, pair: Pair, blends: list[Path], tmp_path: Path
) -> None:
    large, square = tmp_path / "large.png", tmp_path / "square.png"
    with Image.open(blends[0]) as picture:
        picture.resize((128, 96)).save(large)
        picture.resize((64, 64)).save(square)
    given = ("--content", pair.content, "--style", pair.style, "--layers", "conv1_2", "--extractor",
             "vgg19")  # fmt: skip
    done = invoke("compare", large, square, *given)
    assert done.status == 0, done.err
    assert "have different sizes: all are compared at the smallest's, 64 pixels" in done.err
    assert f"'{square}' is 64 × 64 pixels and the content 64 × 48: it is stretched" in done.err
    assert f"'{large}' is" not in done.err
    alone = invoke("compare", large, *given)
    assert alone.status == 0, alone.err
    assert "one result has nothing to be compared with; give two or more" in alone.err
    assert "different sizes" not in alone.err
    large.write_bytes(large.read_bytes()[:200])
    assert str(large) in refused(invoke("compare", large, square, *given))


def test_results_painted_with_the_layers_that_measure_are_named(
    invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    for name, layer in (("fair.png", "conv1_1"), ("unfair.png", "conv1_2")):
        done = invoke("run", pair.content, pair.style, "-o", tmp_path / name, "--size", 48,
                      "--steps", 1, "--loss", f"gram:layers={layer}")  # fmt: skip
        assert done.status == 0, done.err
    told = invoke("compare", tmp_path / "fair.png", tmp_path / "unfair.png", "--content",
                  pair.content, "--style", pair.style, *LAYERS, "--extractor", "vgg19")  # fmt: skip
    assert told.status == 0, told.err
    assert "unfair.png' was painted with the layers conv1_2, on which it is measured" in told.err
    assert told.err.count("was painted with") == 1


def test_alike_and_many_in_words() -> None:
    def score(name: str, distance: float) -> Score:
        terms = {"wasserstein": distance, "gram": 0.5}
        content = {"content": 1.0, "self_similarity": 0.2}
        return Score(name, terms, content, {}, {}, {"style": 4.0, "content": 1.0})

    lines = in_words([score(f"{value}.png", value) for value in (0.2, 0.1, 0.102, 0.3, 0.4, 0.5)])
    assert lines[0] == (
        "style, Wasserstein: 0.1.png is nearest to the style (0.100), beside it 0.102.png; 0.2.png 100 %"
        " farther, 0.3.png 200 % farther, 0.4.png 300 % farther, and 1 more"
    )
    assert lines[1] == "style, Gram: alike (0.500 to 0.500)"
