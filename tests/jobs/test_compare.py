"""The measure of quality: what it says of pictures of which the answer is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageFilter

from helpers import Invoke, Pair
from impasto.jobs.compare import HELD_OUT

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
    done = invoke("compare", *results, "--content", pair.content, "--style", pair.style, "--json",
                  *LAYERS, *more)  # fmt: skip
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
        if len(line.split()) >= 4 and line.split()[-1][0].isdigit()
    ]
    assert len(rows) == 2 + len(blends)
    assert "Wasserstein" in done.out
    assert "distances on conv1_2, conv2_2 of vgg19; 0 is equal" in done.err
    with Image.open(out) as sheet:
        assert sheet.width > 3 * 320
    again = invoke("compare", *blends, "--content", pair.content, "--style", pair.style, *LAYERS,
                   "-o", out)  # fmt: skip
    assert "exists; set force to overwrite it (--force)" in again.error


def test_no_loss_has_one_of_the_layers_by_default() -> None:
    from impasto.builtin import build_host

    host = build_host("none")
    used = {
        layer
        for item in host.offered
        if item.kind == "loss"
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
