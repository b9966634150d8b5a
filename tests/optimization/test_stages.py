"""The pyramid: its sizes and steps, and what one stage hands on to the next."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
import torch
from PIL import Image

import impasto
from helpers import SHALLOW, Invoke, Pair, drawn
from impasto.jobs import estimate
from impasto.jobs.trial import Trial
from impasto.optimization.loop import begin
from impasto.optimization.stages import Stage, carry_over, plan_stages
from impasto.settings.preset import preset_files
from impasto.settings.settings import gather
from impasto.settings.style import Style


def sizes(scales: str, size: int, steps: str = "5") -> list[tuple[int, int, int]]:
    given = {"content": "a", "style": "b", "scales": scales, "size": size, "steps": steps}
    stages = plan_stages(gather(given, None, None), 400, 300)
    return [(stage.width, stage.height, stage.steps) for stage in stages]


def test_sizes_of_a_pyramid_grow_by_about_root_two_up_to_the_size() -> None:
    for size in (129, 200, 256, 512, 777, 1024):
        widths = [width for width, _, _ in sizes("pyramid", size)]
        assert widths[-1] == size
        assert widths[0] == 128 or size < 155
        assert all(1.25 < b / a < 1.6 for a, b in itertools.pairwise(widths))
    assert [width for width, _, _ in sizes("pyramid", 256)] == [128, 181, 256]
    assert [width for width, _, _ in sizes("pyramid", 100)] == [100]


def test_octaves_double_from_about_32_up_to_the_size() -> None:
    assert [width for width, _, _ in sizes("doubling", 512)] == [64, 128, 256, 512]
    assert [width for width, _, _ in sizes("doubling", 90)] == [90]
    assert [width for width, _, _ in sizes("octaves", 512)] == [32, 64, 128, 256, 512]
    assert [width for width, _, _ in sizes("octaves", 192)] == [32, 58, 106, 192]
    assert [width for width, _, _ in sizes("octaves", 40)] == [40]
    assert [width for width, _, _ in sizes("octaves", 20)] == [20]


def test_steps_of_the_stages() -> None:
    assert sizes("64,128", 200, "9,7,5") == [(64, 48, 9), (128, 96, 7), (200, 150, 5)]
    assert [steps for _, _, steps in sizes("64,128", 200, "9,7")] == [9, 7, 7]
    assert [steps for _, _, steps in sizes("single", 200, "9,7")] == [9]


@pytest.fixture
def panorama(tmp_path: Path) -> Path:
    """A picture twelve times as wide as high."""
    drawn(600, 50, seed=4).save(path := tmp_path / "panorama.png")
    return path


@pytest.mark.parametrize("preset", sorted(preset_files()))
def test_every_preset_plans_panoramas(
    invoke: Invoke, panorama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, preset: str
) -> None:
    def begun(run: impasto.Run, stage: Stage, before_stage: object) -> Trial:
        begin(run, stage)
        return Trial(stage, 1, 1)

    # Its time does not matter here.
    monkeypatch.setattr(estimate, "take", begun)
    monkeypatch.setattr(estimate, "SIZES", (16, 16))
    with Image.open(panorama) as picture:
        picture.transpose(Image.Transpose.ROTATE_90).save(tower := tmp_path / "tower.png")
    done = invoke("run", panorama, tower, "--preset", preset, "--dry-run", "--json")
    assert done.status == 0, done.err
    stages = json.loads(done.out)["stages"]
    assert min(min(stage["width"], stage["height"]) for stage in stages) >= 8
    assert stages[-1]["width"] > 11 * stages[-1]["height"]


def test_a_panorama_starts_where_its_shorter_side_is_long_enough(
    invoke: Invoke, panorama: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.png"
    done = invoke("run", panorama, panorama, "-o", out, "--size", 256, "--steps", "2,1", "--json",
                  "--scales", "pyramid")  # fmt: skip
    assert done.status == 0, done.err
    assert (
        "the first stage is 256 × 21 pixels: smaller ones would be too narrow for the network, which"
        " needs 16 on each side"
    ) in done.err.replace("\n", " ")
    record = json.loads(done.out)
    assert (record["width"], record["height"], record["steps"]) == (256, 21, 2)


def test_a_narrow_style_is_as_large_as_the_network_needs() -> None:
    stage = Stage(0, 128, 96, 1)
    style = Style(file="a")
    assert stage.style_size(600, 50, "keep", style, 16) == (192, 16)
    assert stage.style_size(400, 300, "keep", style, 16) == (128, 96)
    # Asked for by its scale: that is refused.
    assert stage.style_size(400, 300, "keep", Style(file="a", scale=0.1), 16) == (13, 10)


def test_a_run_goes_through_its_stages(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    for optimizer in ("adam", "lbfgs"):
        done = invoke(
            "run", pair.content, pair.style, "-o", tmp_path / "out.png", "--force", "--size", 64,
            "--scales", "32,48", "--steps", "4,3,2", "--optimizer", optimizer, *SHALLOW,
            "--callback", f"log:file={log}", "--json",
        )  # fmt: skip
        assert done.status == 0, done.err
        record = json.loads(done.out)
        assert (record["width"], record["height"], record["steps"]) == (64, 48, 9)
        stages = [json.loads(line)["stage"] for line in log.read_text().splitlines()]
        assert stages == [0] * 4 + [1] * 3 + [2] * 2
        assert record["loss"]["last"] < record["loss"]["first"]


@pytest.mark.parametrize(
    "name", ["content:layers=conv1_1", "laplacian", "self_similarity:layers=conv1_1"]
)
def test_a_term_fades_in_finer_stages(pair: Pair, name: str) -> None:
    def terms(fade: float, size: int = 256) -> list[float]:
        more = "," if ":" in name else ":"
        result = impasto.run(
            pair.content, pair.style, size=size, scales=(32, 64), steps=1, init="style", seed=1,
            plugin="impasto.testing", extractor="tiny", optimizer="adam:lr=1e-6", precision="float32",
            loss=[f"{name}{more}fade={fade}", "gram:layers=conv1_1"],
        )  # fmt: skip
        return list(result.terms.values())

    (plain, gram), (faded, same) = terms(0), terms(2)
    # The last stage is twice as long as 128 pixels.
    assert faded == pytest.approx(plain / 4, rel=1e-3)
    assert terms(1)[0] == pytest.approx(plain / 2, rel=1e-3)
    assert same == pytest.approx(gram, rel=1e-3)
    # Up to 128 pixels it counts in full.
    assert terms(2, 128) == terms(0, 128)


@pytest.mark.parametrize("scales", ["64,32", "64,300", "64,64"])
def test_scales_that_do_not_grow_are_refused(
    invoke: Invoke, pair: Pair, tmp_path: Path, scales: str
) -> None:
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "out.png", "--size", 128,
                  "--scales", scales)  # fmt: skip
    assert done.status == 1
    assert "must grow up to the size 128" in done.error


def test_moments_of_adam_are_resized_and_those_of_lbfgs_start_afresh() -> None:
    small, large = torch.rand(1, 3, 8, 6), torch.rand(1, 3, 16, 12)
    old, new = torch.optim.Adam([small]), torch.optim.Adam([large])
    small.grad = torch.full_like(small, 2.0)
    old.step()
    carry_over(old, new)
    state = new.state[large]
    assert state["exp_avg"].shape == large.shape
    torch.testing.assert_close(state["exp_avg"], torch.full_like(large, 0.2))
    assert state["step"] == 1
    fresh = torch.optim.LBFGS([large])
    carry_over(old, torch.optim.SGD([large]))
    carry_over(torch.optim.LBFGS([small]), fresh)
    assert not fresh.state


def test_what_an_optimizer_knows_of_more_or_fewer_tensors_starts_afresh() -> None:
    small = [torch.rand(1, 3, 8, 6)]
    large = [torch.rand(1, 3, 16, 12), torch.rand(1, 3, 8, 6)]
    old, new = torch.optim.Adam(small), torch.optim.Adam(large)
    small[0].grad = torch.ones_like(small[0])
    old.step()
    carry_over(old, new)
    assert not new.state
