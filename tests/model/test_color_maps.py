"""Maps of regions: what is painted equals masks by hand, and what painters' files have is put up with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from PIL import Image, ImageDraw, ImageFilter
from torch import Tensor

import impasto
from helpers import SHALLOW, Invoke, drawn, refused
from impasto.images.reading import open_picture
from impasto.model.color_maps import read_maps

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
LOSSES = ["content:layers=conv2_1", "gram:layers=conv1_1,conv2_1"]
WIDE, SQUARE = (96, 48), (56, 56)


@dataclass(frozen=True)
class Maps:
    """A content picture and two styles in a folder, with maps of each."""

    folder: Path
    content: str
    a: str
    b: str

    def file(self, name: str) -> str:
        return str(self.folder / name)

    def drawn(self, name: str, size: tuple[int, int], *parts: tuple[object, object]) -> str:
        """A map: first its ground, then rectangles on it, each with a color."""
        (_, ground), *more = parts
        picture = Image.new("RGB", size, ground)  # type: ignore[arg-type]
        for box, color in more:
            ImageDraw.Draw(picture).rectangle(box, fill=color)  # type: ignore[arg-type]
        picture.save(self.file(name))
        return self.file(name)


@pytest.fixture
def maps(tmp_path: Path) -> Maps:
    made = Maps(tmp_path, *(str(tmp_path / name) for name in ("content.png", "a.png", "b.png")))
    drawn(*WIDE, 1).save(made.content)
    drawn(*SQUARE, 2).save(made.a)
    drawn(*SQUARE, 9).save(made.b)
    made.drawn("m.png", WIDE, (None, RED), ((60, 0, 95, 47), BLUE))
    made.drawn("ma.png", SQUARE, (None, BLUE), ((0, 0, 55, 40), RED))
    made.drawn("mb.png", SQUARE, (None, BLUE))
    return made


def painted(content: str | None, *styles: str, **given: object) -> Tensor:
    asked: dict[str, Any] = {"size": 96, "scales": [48], "steps": 2, "loss": LOSSES, **given}
    return impasto.run(content, styles, **asked).image


def mask(maps: Maps, name: str, color: tuple[int, int, int]) -> str:
    """The mask that somebody would make by hand from a map."""
    with Image.open(maps.file(name)) as picture:
        there = (numpy.asarray(picture) == color).all(-1)
    path = maps.file(f"{name}_{color}.png".replace(" ", "").replace(",", "_"))
    Image.fromarray(there.astype(numpy.uint8) * 255).save(path)
    return path


def by_hand(maps: Maps, style: str, own: str, *colors: tuple[int, int, int]) -> list[str]:
    return [
        f"{style}:content_mask={mask(maps, 'm.png', color)},style_mask={mask(maps, own, color)}"
        for color in colors
    ]


def test_regions_are_the_same_masks_given_by_hand(maps: Maps) -> None:
    regions = [maps.file("m.png"), maps.file("ma.png")]
    both = painted(maps.content, maps.a, regions=regions)
    assert torch.equal(both, painted(maps.content, *by_hand(maps, maps.a, "ma.png", RED, BLUE)))
    assert not torch.equal(both, painted(maps.content, maps.a))


def test_two_styles_share_the_regions_that_both_have(maps: Maps) -> None:
    # The order is that of the regions' areas in all maps, and the red one is in one style's map alone.
    regions = ",".join(map(maps.file, ("m.png", "ma.png", "mb.png")))
    both = painted(maps.content, f"{maps.a}:weight=2", maps.b, regions=regions)
    hand = [
        *(f"{one},weight=2" for one in by_hand(maps, maps.a, "ma.png", BLUE, RED)),
        *by_hand(maps, maps.b, "mb.png", BLUE),
    ]
    assert torch.equal(both, painted(maps.content, hand[0], hand[2], hand[1]))


def test_what_has_no_counterpart_is_painted_by_the_whole_style(maps: Maps, invoke: Invoke) -> None:
    maps.drawn("m.png", WIDE, (None, GREEN), ((60, 0, 95, 47), RED))
    done = invoke("run", maps.content, maps.a, "-o", maps.file("out.png"), "--size", 96, "--steps", 2,
                  "--scales", "48", *(f"--loss={one}" for one in LOSSES),
                  "--regions", f"{maps.file('m.png')},{maps.file('ma.png')}")  # fmt: skip
    assert done.status == 0, done.err
    assert (
        f"region #00ff00 of '{maps.file('m.png')}' is in no style's map: the whole style"
        in done.err
    )
    assert f"region #0000ff of '{maps.file('ma.png')}' is not in the content's map" in done.err
    hand = painted(maps.content, *by_hand(maps, maps.a, "ma.png", RED), maps.a)
    with Image.open(maps.file("out.png")) as out:
        levels = torch.from_numpy(numpy.asarray(out).copy()).permute(2, 0, 1)
    assert torch.equal(levels, hand[0].mul(255).round().to(torch.uint8))


def test_what_is_transparent_is_no_region(maps: Maps) -> None:
    whole = maps.drawn("m.png", WIDE, (None, GREEN), ((60, 0, 95, 47), RED))
    layer = Image.new("RGBA", WIDE, (0, 0, 0, 0))
    layer.paste((*RED, 255), (60, 0, 96, 48))
    layer.save(clear := maps.file("layer.png"))
    one, other = (
        painted(maps.content, maps.a, regions=[path, maps.file("ma.png")])
        for path in (whole, clear)
    )
    assert torch.equal(one, other)


def test_a_texture_is_laid_out_by_a_map(maps: Maps) -> None:
    given = {
        "loss": ["wasserstein:layers=image"],
        "init": "noise",
        "size": "96x48",
        "steps": 6,
        "scales": "single",
    }
    halves = Image.new("RGB", SQUARE, (200, 40, 40))
    halves.paste((40, 40, 200), (0, 41, 56, 56))
    halves.save(maps.a)
    laid = painted(None, maps.a, regions=[maps.file("m.png"), maps.file("ma.png")], **given)
    left, right = laid[..., 8:52].mean((0, 2, 3)), laid[..., 68:88].mean((0, 2, 3))
    assert left[0] > left[2] + 0.2
    assert right[2] > right[0] + 0.2


def shares(path: str | Path) -> dict[str, float]:
    with Image.open(path) as picture:
        size = picture.size
    (found,) = read_maps([str(path)], [size], open_picture)
    total = sum(found.masks.values())
    assert isinstance(total, Tensor)
    assert total.max() <= 1
    return {color: float(one.mean()) for color, one in found.masks.items()}


def scene(scale: int = 1, width: int = 160) -> Image.Image:
    """Three regions in black, white and the gray that a soft border of these two has."""
    side = width * scale
    picture = Image.new("RGB", (side, side), "black")
    draw = ImageDraw.Draw(picture)
    draw.ellipse((0.1 * side, 0.1 * side, 0.6 * side, 0.6 * side), fill="white")
    draw.rectangle((0.7 * side, 0.6 * side, side, side), fill=(128, 128, 128))
    return picture


EXACT = {"#000000": 0.684, "#ffffff": 0.196, "#808080": 0.12}


@pytest.mark.parametrize("kind", ["smooth", "blurred", "palette", "gray", "deep", "jpeg"])
def test_borders_and_formats_of_painting_programs(tmp_path: Path, kind: str) -> None:
    smooth = scene(4).resize((160, 160), Image.Resampling.LANCZOS)
    path = tmp_path / ("map.jpg" if kind == "jpeg" else "map.png")
    if kind == "deep":
        levels = numpy.asarray(smooth.convert("L")).astype(numpy.uint16) * 257
        Image.fromarray(levels).save(path)
    else:
        made = {
            "blurred": smooth.filter(ImageFilter.GaussianBlur(1.5)),
            "palette": smooth.convert("P", palette=Image.Palette.ADAPTIVE, colors=16),
            "gray": smooth.convert("L"),
        }.get(kind, smooth)
        made.save(path, quality=50)  # Which PNG does without.
    found = shares(path)
    near = {color: min(EXACT, key=lambda one: abs(int(one[1:3], 16) - int(color[1:3], 16)))
            for color in found}  # fmt: skip
    assert sorted(near.values()) == sorted(EXACT)
    for color, share in found.items():
        assert share == pytest.approx(EXACT[near[color]], abs=0.012)
    assert sum(found.values()) == pytest.approx(1, abs=1e-5)


def test_no_sliver_of_a_third_color_lies_along_a_border(tmp_path: Path) -> None:
    smooth = scene(4).resize((160, 160), Image.Resampling.LANCZOS)
    smooth.save(path := tmp_path / "map.png")
    (found,) = read_maps([str(path)], [(160, 160)], open_picture)
    gray = found.masks["#808080"][0, 0]
    assert gray[100:, 116:].mean() > 0.98
    assert not gray[:90].any()
    assert not gray[:, :108].any()


def test_near_colors_are_one_and_that_is_said_once(maps: Maps, invoke: Invoke) -> None:
    maps.drawn("m.png", WIDE, (None, RED), ((20, 0, 40, 47), (245, 8, 4)), ((60, 0, 95, 47), BLUE))
    done = invoke("run", maps.content, maps.a, "-o", maps.file("out.png"), "--size", 48, "--steps", 1,
                  *SHALLOW, "--regions", f"{maps.file('m.png')},{maps.file('ma.png')}")  # fmt: skip
    assert done.status == 0, done.err
    assert done.err.count("colors count as others that they are near") == 1
    assert "near: #f50804 as #ff0000" in done.err


def test_maps_of_another_size_and_nearly_its_colors(maps: Maps) -> None:
    maps.drawn("large.png", (192, 96), (None, (254, 1, 0)), ((120, 0, 191, 95), (2, 0, 253)))
    maps.drawn("same.png", WIDE, (None, RED), ((60, 0, 95, 47), BLUE))
    large, same = (
        painted(maps.content, maps.a, regions=[maps.file(name), maps.file("ma.png")])
        for name in ("large.png", "same.png")
    )
    assert (large - same).abs().mean() < 0.01
    assert not torch.equal(same, painted(maps.content, maps.a))


def test_a_recipe_keeps_the_maps_and_their_checksums(maps: Maps, invoke: Invoke) -> None:
    config = maps.folder / "config.toml"
    config.write_text(f"regions = ['{maps.file('m.png')}', '{maps.file('ma.png')}']\n")
    out = maps.file("out.png")
    done = invoke("run", maps.content, maps.a, "--config", config, "-o", out, "--size", 48, "--steps", 1,
                  *SHALLOW)  # fmt: skip
    assert done.status == 0, done.err
    recipe = json.loads(invoke("show", out, "--json").out)
    assert recipe["settings"]["regions"] == [maps.file("m.png"), maps.file("ma.png")]
    again = invoke("rerun", out, "-o", maps.file("again.png"))
    assert again.status == 0, again.err
    assert Path(out).read_bytes() == Path(maps.file("again.png")).read_bytes()
    maps.drawn("m.png", WIDE, (None, RED), ((50, 0, 95, 47), BLUE))
    changed = refused(invoke("rerun", out, "-o", maps.file("third.png")))
    assert maps.file("m.png") in changed


PHOTO = "is no map of regions: it has"


@pytest.mark.parametrize(
    ("regions", "style", "complaint"),
    [
        ("m.png", "a.png", "regions names 1 map; with 1 style it has 2: one of the content, and one of"),
        ("m.png,ma.png,mb.png", "a.png", "regions names 3 maps; with 1 style it has 2"),
        ("m.png,none.png", "a.png", "none.png' does not exist"),
        ("m.png,ma.png", "a.png:style_mask=ma.png", "has a mask, and regions give each style its masks"),
        ("m.png,ma.png", "x.style", "has the statistics of a whole picture, and regions need those of its"),
        ("ma.png,ma.png", "a.png", "is 56 × 56 pixels, its picture 96 × 48: the shapes differ"),
        ("m.png,green.png", "a.png", "no region is in both: 'm.png' has #ff0000, #0000ff, and 'green.png'"),
        ("photo.png,ma.png", "a.png", "'photo.png' is no map of regions: it has hardly any flat"),
        ("many.png,ma.png", "a.png", "is no map of regions: it has more than 32 colors. Fill each region"),
        ("grain.png,ma.png", "a.png", "is no map of regions: it has no color that fills 5 × 5 pixels"),
        ("clear.png,ma.png", "a.png", "map of regions: picture 'clear.png' is transparent all over"),
        ("broken.png,ma.png", "a.png", "map of regions: picture 'broken.png' "),
    ],
)  # fmt: skip
def test_what_is_refused(
    invoke: Invoke,
    maps: Maps,
    monkeypatch: pytest.MonkeyPatch,
    regions: str,
    style: str,
    complaint: str,
) -> None:
    monkeypatch.chdir(maps.folder)
    maps.drawn("green.png", SQUARE, (None, GREEN))
    Image.effect_noise(WIDE, 200).convert("RGB").save("grain.png")
    drawn(480, 240, 1).convert("L").filter(ImageFilter.GaussianBlur(3)).save("photo.png")
    steps = [((12 * x, 12 * y, 12 * x + 11, 12 * y + 11), (36 * x, 85 * y, 0))
             for x in range(8) for y in range(4)]  # fmt: skip
    maps.drawn("many.png", WIDE, (None, BLUE), *steps[1:], ((84, 36, 90, 42), (255, 0, 255)))
    Image.new("RGBA", WIDE).save("clear.png")
    Path("broken.png").write_bytes(Path("m.png").read_bytes()[:60])
    Path("x.style").write_bytes(b"no style")
    done = invoke("run", "content.png", style, "-o", "out.png", "--size", 48, *SHALLOW,
                  "--regions", regions)  # fmt: skip
    assert complaint in refused(done)
    assert not Path("out.png").exists()


def test_losses_without_masks_and_learning_are_refused(invoke: Invoke, maps: Maps) -> None:
    regions = f"{maps.file('m.png')},{maps.file('ma.png')}"
    done = invoke("run", maps.content, maps.a, "-o", maps.file("out.png"), "--size", 48,
                  "--loss", "sliced:layers=conv1_1", "--regions", regions)  # fmt: skip
    assert "loss 'sliced' takes no masks" in refused(done)
    given: dict[str, Any] = {"size": 48, "regions": regions}
    with pytest.raises(impasto.SettingsError, match="learn one of each region, with a style_mask"):
        impasto.learn(maps.a, maps.file("a.style"), **given)


class Bolder:
    """Changes the weight of the second style, and keeps what came of it."""

    def __init__(self) -> None:
        self.weights: list[tuple[float, ...]] = []

    @impasto.hookimpl
    def impasto_after_step(self, run: impasto.Run, step: impasto.Step) -> None:
        if step.number == 1:
            run.set_style_weight(1, 3.0)
        self.weights = [region.weights for region in run.objective.regions]


def test_a_weight_changed_while_it_paints_counts_in_the_regions_of_its_style(maps: Maps) -> None:
    observer = Bolder()
    painted(maps.content, maps.a, maps.b, scales="single", steps=4, callback=[observer],
            regions=[maps.file(name) for name in ("m.png", "ma.png", "mb.png")])  # fmt: skip
    assert observer.weights == [(0.25, 0.75), (1.0,)]


def points(path: Path, size: tuple[int, int], **places: int) -> str:
    """A transparent layer with a square of each color at the middle of the height, from this column on."""
    layer = Image.new("RGBA", size)
    for color, left in places.items():
        top = size[1] // 2 - 8
        ImageDraw.Draw(layer).rectangle((left, top, left + 15, top + 15), fill=color)
    layer.save(path)
    return str(path)


@pytest.mark.parametrize("loss", ["relaxed_emd:samples=256,", "wasserstein:"])
def test_points_of_one_color_correspond(tmp_path: Path, loss: str) -> None:
    Image.new("RGB", WIDE, (128, 128, 128)).save(content := tmp_path / "content.png")
    halves = Image.new("RGB", WIDE, (200, 60, 60))
    halves.paste((60, 60, 200), (48, 0, 96, 48))
    halves.save(style := tmp_path / "style.png")
    of_content = points(tmp_path / "m.png", WIDE, red=16, lime=64)

    def redness(**places: int) -> tuple[float, float]:
        regions = [of_content, points(tmp_path / "s.png", WIDE, **places)]
        image = painted(str(content), str(style), regions=regions, region_weight=5, scales="single",
                        size=48, steps=6, loss=[f"{loss}layers=image"])  # fmt: skip
        red, _, blue = image[0, :, 10:14].unbind()
        return tuple(float((red - blue)[:, at : at + 4].mean()) for at in (10, 34))  # type: ignore[return-value]

    left, right = redness(red=16, lime=64)
    assert left > 0.1
    assert right < -0.1
    left, right = redness(red=64, lime=16)
    assert left < -0.1
    assert right > 0.1


def test_regions_count_as_strongly_as_asked(maps: Maps, invoke: Invoke) -> None:
    regions = [maps.file("m.png"), maps.file("ma.png")]
    plain = painted(maps.content, maps.a, regions=regions)
    assert torch.equal(plain, painted(maps.content, maps.a, regions=regions, region_weight=1))
    assert not torch.equal(plain, painted(maps.content, maps.a, regions=regions, region_weight=5))
    done = invoke("run", maps.content, maps.a, "-o", maps.file("out.png"), "--region-weight", "5")
    assert "region_weight is that of regions, and there are none: give their maps" in refused(done)
