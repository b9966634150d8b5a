"""What a frame takes over from those before: starts, masks, colors."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

import impasto
from helpers import drawn
from impasto.images.tensors import open_picture, to_tensor
from impasto.jobs.carrying import Carrying, recolored
from impasto.jobs.frames import Frame


class Right(impasto.Flow):
    """Everything goes so many pixels to the right; asked forth and back by turns."""

    def __init__(self, pixels: int) -> None:
        self.pixels = -pixels

    def between(self, before: Tensor, after: Tensor) -> Tensor:
        self.pixels = -self.pixels
        flow = torch.zeros(1, 2, *before.shape[2:])
        flow[:, 0] = self.pixels
        return flow


def frames(tmp_path: Path, ground: Image.Image, step: int, count: int = 2) -> list[Frame]:
    """Parts of a picture that move to the right."""
    made = []
    for number in range(count):
        part = ground.crop((40 - step * number, 0, 72 - step * number, 24))
        part.save(tmp_path / f"{number}.png")
        made.append(Frame(number + 1, Fraction(number), str(tmp_path / f"{number}.png")))
    return made


def seen(name: str) -> Tensor:
    return to_tensor(open_picture(name))


def test_a_frame_starts_from_what_was_in_view(tmp_path: Path) -> None:
    """Four columns come into view at the left: these have the colors that others were painted with."""
    one, two = frames(tmp_path, drawn(72, 24, seed=1), 4)
    negative = Image.eval(Image.open(one.file), lambda level: 255 - level)
    negative.save(tmp_path / "painted.png")
    carrying = Carrying(Right(4), "right", 0.3, (), tmp_path)
    carried = carrying.to(two, [(one, str(tmp_path / "painted.png"))])
    assert carried is not None
    start, mask = seen(carried.start), seen(carried.held[0].mask)
    assert not mask[..., :4].any()
    assert mask[..., 4:].all()
    assert torch.allclose(start[..., 4:], seen(str(tmp_path / "painted.png"))[..., :-4], atol=0.005)
    assert torch.allclose(start[..., :4], 1 - seen(two.file)[..., :4], atol=0.02)


def test_what_looks_different_is_free(tmp_path: Path) -> None:
    one, two = frames(tmp_path, drawn(72, 24, seed=1), 0)
    picture = Image.open(two.file)
    picture.paste((255, 255, 255), (10, 5, 20, 15))
    picture.save(two.file)
    carried = Carrying(Right(0), "right", 0.3, (), tmp_path).to(two, [(one, one.file)])
    assert carried is not None
    mask = seen(carried.held[0].mask)[0, 0]
    assert not mask[5:15, 10:20].any()
    assert mask[:, 20:].all()
    assert seen(carried.start)[0, :, 8, 15].min() > 0.9, "white, as it is in the film"


def test_a_frame_further_back_counts_where_no_nearer_one_does(tmp_path: Path) -> None:
    one, two, three = frames(tmp_path, drawn(72, 24, seed=1), 0, 3)
    hidden = Image.open(two.file)
    hidden.paste((255, 255, 255), (10, 5, 20, 15))
    hidden.save(two.file)
    for color in ("red", "blue"):
        Image.new("RGB", (32, 24), color).save(tmp_path / f"{color}.png")
    painted = [(one, str(tmp_path / "red.png")), (two, str(tmp_path / "blue.png"))]
    carried = Carrying(Right(0), "right", 0.3, (2,), tmp_path).to(three, painted)
    assert carried is not None
    start = seen(carried.start)
    assert start[0, :, 8, 15].tolist() == [1, 0, 0]
    assert start[0, :, 20, 25].tolist() == [0, 0, 1]
    near, far = (seen(one.mask)[0, 0] for one in carried.held)
    assert torch.equal(far, 1 - near)


def test_a_scene_begins_where_little_was_in_view(tmp_path: Path) -> None:
    one, two = frames(tmp_path, drawn(72, 24, seed=1), 4)
    Image.new("RGB", (32, 24), (250, 0, 0)).save(two.file)
    for _ in range(2):
        assert Carrying(Right(4), "right", 0.3, (), tmp_path).to(two, [(one, one.file)]) is None


def test_colors_by_least_squares() -> None:
    generator = torch.Generator().manual_seed(1)
    image, before = torch.rand(2, 1, 3, 6, 7, generator=generator)
    matrix, shift = torch.rand(3, 3, generator=generator) / 4, torch.tensor([0.1, 0.0, 0.2])

    def painted(picture: Tensor) -> Tensor:
        return torch.einsum("ij,bjhw->bihw", matrix, picture) + shift.view(1, 3, 1, 1)

    assert torch.allclose(recolored(image, before, painted(before)), painted(image), atol=1e-5)


@pytest.mark.parametrize("level", [0.0, 0.5])
def test_a_picture_of_one_color_gets_the_color_of_the_paint(level: float) -> None:
    flat, paint = torch.full((1, 3, 6, 7), level), torch.rand(1, 3, 6, 7)
    wanted = paint.mean((2, 3), keepdim=True).expand_as(paint)
    assert torch.allclose(recolored(flat, flat, paint), wanted, atol=1e-5)
