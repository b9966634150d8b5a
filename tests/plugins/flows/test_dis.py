"""The flow ``dis`` on what is moved by a known distance."""

from __future__ import annotations

import json
import sys

import pytest
import torch
from torch import Tensor
from torch.nn.functional import interpolate

import impasto
from helpers import Invoke
from impasto.builtin import build_host


def made(text: str = "dis") -> impasto.Flow:
    flow = build_host("none").make("flow", impasto.Spec.parse(text))
    assert isinstance(flow, impasto.Flow)
    return flow


def texture(height: int, width: int) -> Tensor:
    coarse = torch.rand(1, 3, height // 4, width // 4, generator=torch.Generator().manual_seed(3))
    return interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)


@pytest.mark.parametrize("preset", ["fast", "medium"])
@pytest.mark.parametrize(("right", "down"), [(3, 0), (0, -2), (4, 3)])
def test_it_finds_how_far_a_texture_has_gone(preset: str, right: int, down: int) -> None:
    picture = texture(96, 128)
    before, after = picture[..., 10:74, 10:106], picture[..., 10 - down :, 10 - right :]
    flow = made(f"dis:preset={preset}").between(before, after[..., :64, :96])
    assert flow.shape == (1, 2, 64, 96)
    inner = flow[0, :, 8:-8, 8:-8].median(-1).values.median(-1).values
    assert inner.tolist() == pytest.approx([right, down], abs=0.3)


def test_pictures_too_small_are_refused() -> None:
    small = torch.rand(1, 3, 8, 40)
    with pytest.raises(
        impasto.PictureError, match="needs frames of 12 pixels each way, not 40 × 8"
    ):
        made().between(small, small)


def test_without_the_package_the_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(impasto.SettingsError) as refused:
        made()
    assert str(refused.value) == (
        "flow 'dis' needs the package cv2, which is not installed: pip install 'impasto[video]'"
    )


def test_it_is_listed(invoke: Invoke) -> None:
    records = json.loads(invoke("plugins", "--json").out)
    flows = {one["name"]: one for one in records if one["kind"] == "flow"}
    assert set(flows) == {"dis", "raft"}
    assert [option["name"] for option in flows["dis"]["options"]] == ["preset", "finest_scale"]


def test_the_finest_scale_finds_parts_of_a_pixel() -> None:
    """Half a pixel, which a search that ends at half the size sees worse."""
    picture = texture(192, 256)
    before, after = (
        interpolate(one, (64, 96), mode="area")
        for one in (picture[..., 10:138, 10:202], picture[..., 10:138, 9:201])
    )
    errors = []
    for scale in (0, 1):
        found = made(f"dis:finest_scale={scale}").between(before, after)[0, :, 8:-8, 8:-8]
        errors.append(float((found - torch.tensor([0.5, 0]).view(2, 1, 1)).norm(dim=0).mean()))
    assert errors[0] < 0.1
    assert errors[0] < errors[1] / 1.3
