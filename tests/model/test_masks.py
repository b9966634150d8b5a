"""Masks: each style stays in its region, as strong as without masks, and no seam is seen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageFilter
from torch import Tensor

import impasto
from helpers import Draw, Invoke, Pair, drawn
from impasto.images.tensors import open_picture, to_tensor
from impasto.model.masks import Region
from impasto.model.objective import Objective
from impasto.testing import TinyExtractor
from impasto_plugins.losses.gram import GramLoss
from impasto_plugins.losses.moments import MomentsLoss
from impasto_plugins.losses.wasserstein import WassersteinLoss

LOSSES = ["content:layers=conv2_1", "gram:layers=conv1_1,conv2_1,conv3_1"]
LEFT, RIGHT = slice(0, 40), slice(56, 96)
"""Columns of both halves, away from the border by what the deepest layer sees."""


@dataclass(frozen=True)
class Halves:
    """A content picture that shows the same twice, two styles, and masks of both halves."""

    content: str
    a: str
    b: str
    left: str
    right: str
    soft: str


@pytest.fixture
def halves(tmp_path: Path) -> Halves:
    made = Halves(
        *(str(tmp_path / f"{name}.png") for name in ("c", "a", "b", "left", "right", "s"))
    )
    half, content = drawn(48, 48, 1), Image.new("RGB", (96, 48))
    content.paste(half, (0, 0))
    content.paste(half, (48, 0))
    content.save(made.content)
    drawn(56, 56, 2).save(made.a)
    drawn(56, 56, 9).rotate(45).save(made.b)
    left = Image.new("L", (96, 48), 0)
    left.paste(255, (0, 0, 48, 48))
    left.save(made.left)
    left.point(lambda value: 255 - value).save(made.right)
    left.filter(ImageFilter.GaussianBlur(4)).save(made.soft)
    return made


def painted(content: str, *styles: str, **given: object) -> Tensor:
    asked: dict[str, Any] = {"size": 96, "scales": "single", "steps": 20, "loss": LOSSES, **given}
    return impasto.run(content, styles, **asked).image


def apart(one: Tensor, other: Tensor, columns: slice) -> float:
    return (one - other)[..., columns].abs().mean().item()


def test_each_half_is_as_without_masks_and_knows_nothing_of_the_others_style(
    halves: Halves,
) -> None:
    a, b = painted(halves.content, halves.a), painted(halves.content, halves.b)
    both = painted(
        halves.content, f"{halves.a}:content_mask={halves.left}",
        f"{halves.b}:content_mask={halves.right}",
    )  # fmt: skip
    between = apart(a, b, slice(None))
    assert between > 0.05
    assert apart(both, a, LEFT) < 0.5 * between < 0.75 * between < apart(both, b, LEFT)
    assert apart(both, b, RIGHT) < 0.5 * between < 0.75 * between < apart(both, a, RIGHT)


def test_what_no_mask_covers_stays_as_it_was(halves: Halves) -> None:
    only = painted(halves.content, f"{halves.a}:content_mask={halves.left}")
    content = to_tensor(open_picture(halves.content))
    assert apart(only, content, LEFT) > 0.05
    assert (only - content)[..., 64:].abs().max() < 0.01


def test_a_style_without_a_mask_paints_the_rest(halves: Halves) -> None:
    b = f"{halves.b}:content_mask={halves.right}"
    rest = painted(halves.content, halves.a, b, steps=3)
    assert torch.equal(
        rest, painted(halves.content, f"{halves.a}:content_mask={halves.left}", b, steps=3)
    )


def test_a_white_mask_changes_nothing(halves: Halves, tmp_path: Path) -> None:
    white = tmp_path / "white.png"
    Image.new("L", (96, 48), 255).save(white)
    plain = painted(halves.content, halves.a, steps=3)
    masked = painted(halves.content, f"{halves.a}:content_mask={white}", steps=3)
    torch.testing.assert_close(masked, plain, rtol=0, atol=1e-4)


@pytest.mark.parametrize("mask", ["left", "soft"])
def test_no_seam_where_two_masks_meet(halves: Halves, mask: str) -> None:
    plain = [painted(halves.content, style) for style in (halves.a, halves.b)]
    both = painted(halves.content, halves.b, f"{halves.a}:content_mask={getattr(halves, mask)}")

    def steps_across(image: Tensor) -> Tensor:
        return image.diff(dim=3).abs().mean((0, 1, 2))[40:56]

    usual = torch.stack([steps_across(image) for image in plain]).amax(0)
    assert (steps_across(both) < 1.4 * usual).all()


def test_the_masked_part_of_a_style_is_all_that_counts(halves: Halves, tmp_path: Path) -> None:
    # One picture with a above b, of which a mask leaves the part a: as if it were a alone.
    joined, top = tmp_path / "joined.png", tmp_path / "top.png"
    picture, mask = Image.new("RGB", (56, 112)), Image.new("L", (56, 112), 0)
    with Image.open(halves.a) as a, Image.open(halves.b) as b:
        picture.paste(a, (0, 0))
        picture.paste(b, (0, 56))
    mask.paste(255, (0, 0, 56, 56))
    picture.save(joined)
    mask.save(top)
    sizes = {"loss": ["gram:layers=conv1_1,conv2_1"], "steps": 6}
    alone = painted(halves.content, f"{halves.a}:size=56", **sizes)
    part = painted(halves.content, f"{joined}:size=112,style_mask={top}", **sizes)
    whole = painted(halves.content, f"{joined}:size=112", **sizes)
    assert apart(part, alone, slice(None)) < 0.5 * apart(whole, alone, slice(None))


@pytest.mark.parametrize("loss", [GramLoss, MomentsLoss, WassersteinLoss])
def test_summaries_of_a_region_equal_the_formula(loss: type[impasto.Loss]) -> None:
    generator = torch.Generator().manual_seed(0)
    feature = torch.rand(1, 4, 5, 6, dtype=torch.float64, generator=generator)
    mask = torch.rand(1, 1, 5, 6, dtype=torch.float64, generator=generator)
    term = loss(layers=("a",))
    summary = term.summarize_region(feature, mask)
    parts = [
        (term.summarize_layer(feature[:, :, y : y + 1, x : x + 1]), mask[0, 0, y, x])
        for y in range(5)
        for x in range(6)
    ]
    assert set(summary) == set(parts[0][0])
    for key, value in summary.items():
        expected = torch.stack([share * pixel[key] for pixel, share in parts]).sum(0)
        torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-12)


def test_masks_and_styles_from_files_and_several_stages(
    invoke: Invoke, halves: Halves, tmp_path: Path
) -> None:
    out, file = tmp_path / "out.png", tmp_path / "b.style"
    loss = ("--loss", "moments:layers=conv1_1", "--loss", "wasserstein:layers=conv2_1")
    sizes = ("--size", 64, "--scales", "32,48")
    half = Image.new("L", (28, 28), 0)
    half.paste(255, (0, 0, 14, 28))
    half.save(tmp_path / "half.png")
    learned = invoke("style", "learn", f"{halves.b}:style_mask={tmp_path / 'half.png'}", "-o", file,
                     *sizes, *loss)  # fmt: skip
    assert learned.status == 0, learned.err
    pictures = []
    for b in (f"{file}:", f"{halves.b}:style_mask={tmp_path / 'half.png'},"):
        done = invoke(
            "run", halves.content, halves.a, "--style", f"{b}content_mask={halves.right}", "-o", out,
            "--steps", 2, "--force", "--no-recipe", *sizes, *loss,
        )  # fmt: skip
        assert done.status == 0, done.err
        pictures.append(out.read_bytes())
    assert pictures[0] == pictures[1]


@pytest.mark.parametrize(
    ("style", "loss", "complaint"),
    [
        ("{a}:content_mask={left}", "sliced:layers=conv1_1",
         "loss 'sliced' takes no masks, as it needs the whole picture; those that do: covariance, gram"),
        ("{a}:content_mask=none.png", "gram", "mask: picture 'none.png' does not exist"),
        ("{a}:content_mask={a}", "gram:layers=conv1_1", "is 56 × 56 pixels, its picture 96 × 48: the"),
        ("{a}:style_mask={left}", "gram:layers=conv1_1", "is 96 × 48 pixels, its picture 56 × 56"),
        ("{a}:content_mask={black}", "gram:layers=conv1_1", "is black or transparent: it leaves nothing"),
    ],
)  # fmt: skip
def test_what_is_refused(
    invoke: Invoke, halves: Halves, tmp_path: Path, style: str, loss: str, complaint: str
) -> None:
    black = tmp_path / "black.png"
    Image.new("L", (96, 48)).save(black)
    named = style.format(a=halves.a, left=halves.left, black=black)
    done = invoke("run", halves.content, named, "-o", tmp_path / "out.png", "--size", 48,
                  "--loss", loss)  # fmt: skip
    assert done.status == 1
    assert complaint in done.error


def test_a_style_that_masks_leave_no_room_is_refused(
    invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    white = tmp_path / "white.png"
    Image.new("L", (64, 48), 255).save(white)
    done = invoke("run", pair.content, pair.style, "--style", f"{pair.style}:content_mask={white}",
                  "-o", tmp_path / "out.png", "--size", 48, "--loss", "gram:layers=conv1_1")  # fmt: skip
    assert done.status == 1
    assert "the masks leave no room for the style" in done.error


def test_a_region_counts_by_its_area(draw: Draw) -> None:
    content, left, right, picture = (draw.uniform(1, 3, 16, 16).float() for _ in range(4))
    mask = torch.zeros(1, 1, 16, 16)
    mask[..., :4] = 1
    loss = GramLoss(weight=1, layers=("image",))
    objective = Objective(TinyExtractor(), {"gram": loss})
    regions = [Region((0,), (1.0,), mask), Region((1,), (1.0,), 1 - mask)]
    total, _ = objective.set_targets(content, [left, right], regions=regions)(picture)

    def term(style: Tensor, part: Tensor) -> Tensor:
        summary = loss.summarize_masked({"image": picture}, {"image": part})
        return loss.compare(summary, loss.summarize({"image": style}))

    torch.testing.assert_close(total, 0.25 * term(left, mask) + 0.75 * term(right, 1 - mask))


@pytest.mark.slow
def test_the_objective_with_regions_compiles_whole(halves: Halves) -> None:
    styles = (halves.a, f"{halves.b}:content_mask={halves.right}")
    given = {
        "size": 48,
        "steps": 3,
        "precision": "float32",
        "loss": [*LOSSES[:1], "gram:layers=conv1_1"],
    }
    plain, compiled = (
        painted(halves.content, *styles, **given, compile=on) for on in ("off", "on")
    )
    torch.testing.assert_close(compiled, plain, rtol=0, atol=1e-3)


def test_a_mask_drawn_on_an_empty_layer_covers_what_was_drawn(
    halves: Halves, tmp_path: Path
) -> None:
    layer = Image.new("RGBA", (96, 48), (255, 255, 255, 0))
    layer.paste((255, 255, 255, 255), (0, 0, 48, 48))
    layer.save(path := tmp_path / "layer.png")
    drawn_mask, layer_mask = (
        painted(halves.content, f"{halves.a}:content_mask={mask}", steps=3)
        for mask in (halves.left, path)
    )
    assert torch.equal(drawn_mask, layer_mask)
    layer = Image.new("RGBA", (96, 48), (0, 0, 0, 0))
    layer.paste((0, 0, 0, 255), (0, 0, 48, 48))
    layer.save(path)
    with pytest.raises(impasto.PictureError, match="is black or transparent: it leaves nothing"):
        painted(halves.content, f"{halves.a}:content_mask={path}")


@pytest.fixture
def half_seen(halves: Halves, tmp_path: Path) -> tuple[str, str]:
    """A painting whose right half is transparent, and the same as a style with a mask of its left."""
    painting = Image.open(halves.a).convert("RGBA")
    painting.paste((255, 0, 255, 0), (28, 0, 56, 56))
    painting.save(clear := tmp_path / "clear.png")
    open_picture(clear).picture.save(filled := tmp_path / "filled.png")
    painting.getchannel("A").save(mask := tmp_path / "seen.png")
    return str(clear), f"{filled}:style_mask={mask}"


def test_what_is_transparent_in_a_painting_is_not_style(
    halves: Halves, half_seen: tuple[str, str]
) -> None:
    clear, masked = half_seen
    filled = masked.partition(":")[0]
    seen, same, other = (painted(halves.content, one, steps=3) for one in (clear, masked, filled))
    # The filled one is rounded to 8 bits.
    assert apart(seen, same, slice(None)) < 0.002 < 0.004 < apart(seen, other, slice(None))


def test_what_is_transparent_in_a_painting_is_not_learned(
    half_seen: tuple[str, str], tmp_path: Path
) -> None:
    from safetensors.torch import load_file

    clear, masked = half_seen
    learned = []
    for name, style in (("clear", clear), ("masked", masked), ("filled", masked.partition(":")[0])):
        impasto.learn(style, tmp_path / f"{name}.style", size=64, loss=LOSSES, scales="single")
        learned.append(load_file(tmp_path / f"{name}.style"))
    for key in (key for key in learned[0] if not key.startswith("probe")):
        seen, same, other = (tensors[key].flatten() for tensors in learned)
        assert torch.allclose(seen, same, rtol=0.02, atol=0.02 * float(same.abs().max()))
        assert not torch.allclose(seen, other, rtol=0.02, atol=0.02 * float(same.abs().max()))


def test_losses_that_take_no_masks_see_what_is_around(
    halves: Halves, half_seen: tuple[str, str], invoke: Invoke, tmp_path: Path
) -> None:
    done = invoke("run", halves.content, half_seen[0], "-o", tmp_path / "out.png", "--steps", 1,
                  "--size", 48, "--loss", "sliced:layers=conv1_1")  # fmt: skip
    assert done.status == 0, done.err
    assert "loss 'sliced' takes no masks: it sees the style picture" in done.err


def test_a_style_mask_that_leaves_only_what_is_transparent(
    halves: Halves, half_seen: tuple[str, str], tmp_path: Path
) -> None:
    mask = Image.new("L", (56, 56), 0)
    mask.paste(255, (30, 0, 56, 56))
    mask.save(tmp_path / "hidden.png")
    with pytest.raises(impasto.PictureError, match="its mask leaves what is transparent"):
        painted(halves.content, f"{half_seen[0]}:style_mask={tmp_path / 'hidden.png'}")
