"""Pictures in tiles: the same losses and gradients as whole, from less memory."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import max_pool2d

import impasto
from helpers import SHALLOW, Invoke, Pair, drawn, refused
from impasto.model.masks import Region
from impasto.model.objective import Objective
from impasto.model.tiles import tiles_of
from impasto.optimization import tiling
from impasto.optimization.tensor_memory import LiveTensors
from impasto_plugins.extractors.vgg import VGG
from impasto_plugins.extractors.vgg_weights import Weights, random_weights
from impasto_plugins.losses.content import ContentLoss
from impasto_plugins.losses.gram import GramLoss
from impasto_plugins.losses.tv import TotalVariation
from tiled import all_losses, objective, picture, value_and_gradient


@pytest.fixture(scope="module")
def weights() -> Weights:
    return random_weights("vgg16", torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("height", "width", "tile"), [(53, 67, 8), (64, 64, 16), (90, 33, 24)])
@pytest.mark.parametrize(("pooling", "padding"), [("max", "zeros"), ("average", "replicate")])
def test_loss_and_gradient_are_those_of_the_whole_picture(
    weights: Weights, height: int, width: int, tile: int, pooling: str, padding: str
) -> None:
    """Odd sizes, bands of two rows and less than the halo, masks, several styles, each loss of a sum."""
    mask = torch.zeros(1, 1, height, width, dtype=torch.float64)
    mask[..., : width // 3] = 1
    regions = [Region((0,), (1.0,), mask), Region((1,), (1.0,), 1 - mask)]
    made = objective(VGG(weights, pooling, padding, scale=True), all_losses())  # type: ignore[arg-type]
    found = []
    for side in (None, tile):
        made.tile = side
        styles = [picture(1, 61, 50), picture(2, 37, 80)]
        made.set_targets(picture(0, height, width), styles, [0.5, 0.5], regions)
        found.append(value_and_gradient(made, picture(3, height, width)))
    for whole, tiled in zip(*found, strict=True):
        assert (whole - tiled).norm() <= 1e-10 * whole.norm()


def test_each_loss_by_itself_has_the_same_gradient(weights: Weights) -> None:
    for loss in all_losses():
        made = objective(VGG(weights, "max", "zeros", scale=True), [loss])
        found = []
        for side in (None, 12):
            made.tile = side
            made.set_targets(picture(0, 29, 27), picture(1, 24, 31))
            found.append(value_and_gradient(made, picture(3, 29, 27)))
        assert found[0][2].norm() > 0
        assert (found[0][2] - found[1][2]).norm() <= 1e-10 * found[0][2].norm(), loss


def test_a_picture_of_no_gradient_has_the_same_value(weights: Weights) -> None:
    made = objective(VGG(weights, "max", "zeros", scale=True), all_losses())
    made.tile = 12
    made.set_targets(picture(0, 29, 27), picture(1, 24, 31))
    with torch.no_grad():
        total, _ = made(picture(3, 29, 27))
    assert total == pytest.approx(value_and_gradient(made, picture(3, 29, 27))[0].item(), rel=1e-12)


class Chain(impasto.Extractor):
    """A chain that somebody else wrote: one convolution over 5 × 5 pixels, and one with a stride."""

    layers = ("wide", "small")

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(5)
        self.wide = torch.randn(4, 3, 5, 5, dtype=torch.float64, generator=generator)
        self.small = torch.randn(6, 4, 3, 3, dtype=torch.float64, generator=generator)

    def forward(self, image: Tensor) -> impasto.Features:
        wide, _ = self._wide(image)
        small, _ = self._small(wide["wide"])
        return {**wide, **small}

    def blocks(self) -> list[impasto.Block]:
        return [
            impasto.Block(self._wide, halo=2, stride=1, strides={"wide": 1}),
            impasto.Block(self._small, halo=2, stride=1, strides={"small": 1}),
        ]

    def _wide(self, image: Tensor) -> tuple[impasto.Features, Tensor]:
        made = torch.nn.functional.conv2d(image, self.wide, padding=2).tanh()
        return {"wide": made}, made

    def _small(self, feature: Tensor) -> tuple[impasto.Features, Tensor]:
        made = torch.nn.functional.conv2d(feature, self.small, padding=1).tanh()
        return {"small": made}, made


def test_a_chain_that_somebody_wrote_works_in_tiles() -> None:
    losses = [GramLoss(layers=("wide", "small")), ContentLoss(1, ("small",))]
    found = []
    for side in (None, 5):
        made = objective(Chain(), copy.deepcopy(losses))
        made.tile = side
        made.set_targets(picture(0, 23, 19), picture(1, 12, 31))
        found.append(value_and_gradient(made, picture(3, 23, 19)))
    assert (found[0][2] - found[1][2]).norm() <= 1e-10 * found[0][2].norm()


class WrongMap(ContentLoss):
    """Says that it is a map and sums up."""

    def summarize_layer(self, feature: Tensor) -> impasto.Summary:
        return {"feature": feature.mean((2, 3))}


def test_a_map_that_is_none_is_refused_with_its_name(weights: Weights) -> None:
    made = objective(VGG(weights, "max", "zeros", scale=True), [WrongMap(1, ("conv1_2",))])
    made.tile = 12
    with pytest.raises(impasto.PluginError, match=r"WrongMap has summary = 'map' .*each pixel"):
        made.set_targets(picture(0, 29, 27), picture(1, 24, 31))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(
    ("height", "width"), [(2, 10), (2, 3), (7, 16), (16, 7), (33, 10), (9, 65)]
)
def test_tiles_own_each_pixel_once(height: int, width: int, stride: int) -> None:
    def run(feature: Tensor) -> tuple[impasto.Features, Tensor]:
        return {}, feature

    block = impasto.Block(run, halo=2, stride=stride, strides={})
    for pixels in (1, 30, 64, 10_000):
        tiles = tiles_of(block, height, width, pixels)
        owned, pooled = torch.zeros(height, width), torch.zeros(height // stride, width // stride)
        for tile in tiles:
            rows, columns = tile
            owned[rows.first : rows.end, columns.first : columns.end] += 1
            inner, outer = tile.at(stride)
            output = max_pool2d(torch.ones(1, height, width)[..., *tile.outer], stride)[0]
            pooled[outer] += output[inner]
            for span in tile:
                assert span.first % stride == span.outer_first % stride == 0
        assert (owned == 1).all()
        assert (pooled == 1).all()
    assert len(tiles) == 1


def test_tiles_of_a_wide_picture_are_cut_across_where_that_takes_less() -> None:
    block = impasto.Block(lambda feature: ({}, feature), halo=2, stride=2, strides={})
    wide = tiles_of(block, 1536, 2048, 128**2)
    sides = [[span.outer_end - span.outer_first for span in tile] for tile in wide]
    assert max(map(max, sides)) <= 160
    worked_on = sum(height * width for height, width in sides)
    assert worked_on < 1.1 * 1536 * 2048
    assert {tile.columns.end for tile in tiles_of(block, 768, 80, 128**2)} == {80}


def test_tiles_hold_less_in_memory(weights: Weights) -> None:
    """Counted on the meta device: bytes of all tensors that are alive at once."""
    extractor = VGG(weights, "max", "zeros", scale=True)
    made = Objective(extractor, [GramLoss(), ContentLoss(), TotalVariation(10)])
    extractor.prepare(torch.device("cpu"), torch.float32)
    made = made.to("meta")
    peaks = []
    for side in (None, 256):
        made.tile = side
        image = torch.empty(1, 3, 768, 1024, device="meta", requires_grad=True)
        with LiveTensors() as live:
            made.set_targets(image, image)
            made(image)[0].backward()
        peaks.append(live.peak)
    # More than a quarter where summaries that were compared stay in memory while the blocks are walked back.
    assert peaks[1] < peaks[0] / 4


def given(pair: Pair, output: Path, *more: object) -> tuple[object, ...]:
    small = ("--size", 120, "--scales", "single", "--steps", 6, "--force")
    return ("run", pair.content, pair.style, "-o", output, *small, *(more or SHALLOW))


def pixels(path: Path) -> numpy.ndarray:
    with Image.open(path) as picture:
        return numpy.asarray(picture, dtype=float)


def test_a_run_in_tiles_paints_the_same_picture(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    whole, tiled = tmp_path / "whole.png", tmp_path / "tiled.png"
    for path, tile in ((whole, "off"), (tiled, 64)):
        done = invoke(*given(pair, path, *SHALLOW, "--tile", tile))
        assert done.status == 0, done.err
    difference = numpy.abs(pixels(whole) - pixels(tiled))
    # Neither a seam where a band begins nor anything else.
    assert difference.mean() < 1
    assert difference.max() < 16
    again = tmp_path / "again.png"
    assert invoke("rerun", tiled, "-o", again).status == 0
    assert (pixels(again) == pixels(tiled)).all()


def test_what_cannot_be_had_in_tiles_is_refused(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    error = refused(invoke(*given(pair, out, "--tile", 64, "--loss", "nearest")))
    assert "loss 'nearest' needs the features of the whole picture" in error
    assert "gram, moments, wasserstein and content" in error
    error = refused(invoke(*given(pair, out, *SHALLOW, "--tile", 64, "--compile", "on")))
    assert "compile on and tiles cannot be had together" in error
    error = refused(invoke(*given(pair, out, *SHALLOW, "--tile", 64, "--seamless", "x")))
    assert "seamless pictures cannot be computed in tiles" in error
    (tmp_path / "mine.py").write_text(NO_CHAIN)
    mine = ("--plugin", tmp_path / "mine.py", "--extractor", "mine", "--loss", "gram:layers=a")
    error = refused(invoke(*given(pair, out, *mine, "--tile", 64)))
    assert "the extractor Mine cannot work in tiles" in error
    error = refused(invoke(*given(pair, out, *SHALLOW, "--tile", 7)))
    assert "tile" in error
    assert "64" in error
    assert not out.exists()


NO_CHAIN = """
import impasto

class Mine(impasto.Extractor):
    layers = ("a",)
    def forward(self, image):
        return {"a": image}

@impasto.hookimpl
def impasto_extractors():
    return [impasto.Offer("mine", Mine)]
"""


def test_auto_takes_tiles_where_memory_would_not_suffice(
    invoke: Invoke, pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.png"
    monkeypatch.setattr(tiling, "LARGE", 100)
    monkeypatch.setattr(tiling, "free_bytes", lambda device: 2 * 10**6)
    done = invoke(*given(pair, out))
    assert done.status == 0, done.err
    history = "the optimizer's history in bfloat16"
    assert re.search(
        rf"tile 128, {history} of 2 pairs: [0-9.]+ \wB for \d+ × \d+ pixels, 2 MB are", done.err
    )
    assert "memory may run out" in done.err
    shown = json.loads(invoke("show", out, "--json").out)["settings"]
    assert (shown["tile"], shown["optimizer"]["history_precision"]) == (128, "bfloat16")
    monkeypatch.setattr(tiling, "free_bytes", lambda device: 10**12)
    assert "tile 1" not in invoke(*given(pair, out)).err
    assert '"tile": "off"' in invoke("show", out, "--json").out


def test_auto_says_where_memory_may_run_out_and_tiles_do_not_help(
    invoke: Invoke, pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiling, "LARGE", 100)
    monkeypatch.setattr(tiling, "free_bytes", lambda device: 2 * 10**6)
    done = invoke(
        *given(pair, tmp_path / "out.png", "--loss", "nearest:layers=conv1_1", "--size", 48)
    )
    assert done.status == 0, done.err
    assert "memory may run out" in done.err
    assert "loss 'nearest' needs the features of the whole picture" in done.err


@pytest.mark.parametrize(
    ("cgroup", "files", "left"),
    [
        ("0::/a/b", {"a/b/memory.max": "max", "a/b/memory.current": "5"}, []),
        ("0::/a/b", {"a/memory.max": "900", "a/memory.current": "200", "memory.max": "max"}, [700]),
        ("0::/a", {"memory.max": "900", "memory.current": "950"}, [0]),
        (
            "4:cpu,cpuacct:/\n9:memory:/a",
            {"memory/a/memory.limit_in_bytes": "50", "memory/a/memory.usage_in_bytes": "8"},
            [42],
        ),
        ("0::/a", {"memory.max": "900"}, []),
    ],
)
def test_limits_of_control_groups_are_seen(
    tmp_path: Path, cgroup: str, files: dict[str, str], left: list[int]
) -> None:
    """Version 2, its own group or one around it, and version 1; half of a pair says nothing."""
    for name, text in {"proc/self/cgroup": cgroup, **with_folder(files)}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{text}\n")
    assert [*tiling.left_in_groups(tmp_path)] == left


def with_folder(files: dict[str, str]) -> dict[str, str]:
    return {f"sys/fs/cgroup/{name}": text for name, text in files.items()}


@pytest.mark.parametrize(
    ("memory", "optimizer", "tile", "precision", "pairs"),
    [
        ("1.507GB", "lbfgs", "off", None, None),
        # Of Adam as much is kept as of two pairs.
        ("1502 mb", "adam", "off", None, None),
        ("1502 mb", "lbfgs", 1024, None, None),
        ("1.307GB", "lbfgs", 512, None, None),
        # A history in bfloat16 costs less time than tiles of 256 pixels, and so does a shorter one.
        ("1.305GB", "lbfgs", 512, "bfloat16", None),
        ("1.303GB", "lbfgs", 512, "bfloat16", 10),
        ("1.25GB", "lbfgs", 256, None, None),
        ("1.102GB", "lbfgs", 128, "bfloat16", 5),
        # What was chosen stays.
        ("1.305GB", "lbfgs:history_precision=full", 512, "full", 10),
        ("1.305GB", "lbfgs:history_size=19", 512, "bfloat16", "19"),
        ("1.102GB", "torch.LBFGS", 128, None, 3),
    ],
)
def test_a_budget_of_memory_takes_what_costs_least_time(
    invoke: Invoke, pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    memory: str, optimizer: str, tile: object, precision: str | None, pairs: int | str | None,
) -> None:  # fmt: skip
    """Of 120 × 90 pixels 6.35 MB are kept with `lbfgs`, 3.76 in bfloat16, and 2.46 with ten pairs."""
    out = tmp_path / "out.png"
    monkeypatch.setattr(tiling, "resident_bytes", lambda: 10**9)
    needs = {None: 500, 1024: 400, 512: 300, 256: 200, 128: 100}
    monkeypatch.setattr(tiling, "needed_bytes", lambda objective, stage, tile: needs[tile] * 10**6)
    line = given(
        pair, out, *SHALLOW, "--max-memory", memory, "--optimizer", optimizer, "--steps", 1
    )
    done = invoke(*line)
    assert done.status == 0, done.err
    shown = json.loads(invoke("show", out, "--json").out)["settings"]
    kept = shown["optimizer"] if isinstance(shown["optimizer"], dict) else {}
    assert shown["tile"] == tile
    assert (kept.get("history_precision"), kept.get("history_size")) == (precision, pairs)
    changed = [f"tile {tile}"] if tile != "off" else []
    if "bfloat16" in str(precision) or pairs not in (None, "19"):
        changed.append("the optimizer's history")
    told = [line for line in done.err.splitlines() if "MB are left of the most" in line]
    assert len(told) == bool(changed)
    assert all(part in told[0] for part in changed)
    assert (f" of {pairs} pairs" in done.err) == (pairs not in (None, "19"))


def test_a_budget_that_does_not_suffice_is_said(
    invoke: Invoke, pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.png"
    monkeypatch.setattr(tiling, "resident_bytes", lambda: 10**9)
    monkeypatch.setattr(tiling, "needed_bytes", lambda objective, stage, tile: 95 * 10**6)
    own = (*SHALLOW, "--max-memory", "1.09GB", "--optimizer", "adam", "--tile", "64")
    assert "memory may run out" in invoke(*given(pair, out, *own)).err
    error = refused(invoke(*given(pair, out, *SHALLOW, "--max-memory", "lots")))
    assert "memory" in error
    assert "8GB" in error


@pytest.mark.slow
def test_tiles_paint_the_same_picture_in_50_steps_without_seams(
    invoke: Invoke, tmp_path: Path
) -> None:
    content, style = tmp_path / "content.png", tmp_path / "style.png"
    drawn(160, 124, 1).save(content)
    drawn(120, 90, 2).save(style)
    found = {}
    for tile in ("off", 128, 64):
        out = tmp_path / f"{tile}.png"
        done = invoke(
            "run", content, style, "-o", out, "--size", 160, "--scales", "single", "--steps", 50,
            "--tile", tile, "--precision", "float32", "--loss", "content:layers=conv2_2",
            "--loss", "gram:layers=conv1_1,conv2_1,weight=10", "--optimizer", "adam",
        )  # fmt: skip
        assert done.status == 0, done.err
        found[tile] = pixels(out)
    for tile in (128, 64):
        difference = numpy.abs(found[tile] - found["off"]).mean(2)
        assert difference.mean() < 1
        # Rows and columns at which tiles of the first block meet, and all others.
        block = impasto.Block(lambda feature: ({}, feature), halo=2, stride=2, strides={})
        height, width = found[tile].shape[:2]
        tiles = tiles_of(block, height, width, tile**2)
        assert len(tiles) >= 2
        for axis in (0, 1):
            firsts = {one[axis].first for one in tiles} - {0}
            borders = sorted({place for first in firsts for place in (first - 1, first)})
            if borders:
                lines = difference.mean(1 - axis)
                elsewhere = numpy.delete(lines, borders)
                assert (
                    lines[borders].mean()
                    <= elsewhere.mean() + 3 * elsewhere.std() / len(borders) ** 0.5
                )


def test_a_picture_in_its_own_style_stays_put_in_tiles(
    invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    out = tmp_path / "out.png"
    done = invoke(
        "run", pair.content, pair.content, "-o", out, "--size", 96, "--scales", "single",
        "--steps", 8, "--tile", 64, "--precision", "float32", *SHALLOW,
    )  # fmt: skip
    assert done.status == 0, done.err
    with Image.open(pair.content) as picture:
        own = picture.convert("RGB").resize((96, round(96 * picture.height / picture.width)))
    assert numpy.abs(pixels(out) - numpy.asarray(own, dtype=float)).mean() < 2


def test_the_profile_has_tiles_as_scopes(pair: Pair, tmp_path: Path) -> None:
    _, report = impasto.profile(
        pair.content, pair.style, tmp_path / "log", wait=0, warmup=1, active=1,
        size=120, scales="single", steps=2, tile=64, loss=["content:layers=conv2_1", "gram:layers=conv1_1"],
    )  # fmt: skip
    text = (tmp_path / "log" / "report.json").read_text(encoding="utf-8")
    assert report.name == "log"
    assert "tile/forward" in text
    assert "tile/backward" in text
