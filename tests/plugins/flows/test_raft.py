"""The flow ``raft`` with random weights of its small network, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torchvision.models.optical_flow import raft_small

import impasto
from impasto.builtin import build_host
from impasto_plugins.flows.raft import RAFT


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        torch.save(raft_small().state_dict(), tmp_path / "raft.pth")
    return tmp_path / "raft.pth"


def made(**options: object) -> impasto.Flow:
    flow = build_host("none").make("flow", impasto.Spec("raft", options))
    assert isinstance(flow, impasto.Flow)
    return flow


def test_flow_has_the_size_of_the_frames(weights: Path) -> None:
    flow = made(model="small", weights=str(weights), updates=1)
    found = flow.between(torch.rand(1, 3, 40, 60), torch.rand(1, 3, 40, 60))
    assert found.shape == (1, 2, 40, 60)
    assert found.isfinite().all()
    assert not found.requires_grad


def test_distances_are_those_in_the_frames(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that sees everything go 6 pixels to the right, 4 down, at the size that it is given."""
    flow = made(model="small", weights=str(weights))
    assert isinstance(flow, RAFT)
    sizes = []

    def forward(
        before: torch.Tensor, after: torch.Tensor, num_flow_updates: int
    ) -> list[torch.Tensor]:
        assert num_flow_updates == 12
        assert -1 <= before.min() < -0.9 < 0.9 < before.max() <= 1
        sizes.append(tuple(before.shape[2:]))
        return [torch.tensor([6.0, 4.0]).view(1, 2, 1, 1).expand(1, 2, *before.shape[2:])]

    monkeypatch.setattr(flow.network, "forward", forward)
    small = flow.between(torch.rand(1, 3, 64, 32), torch.rand(1, 3, 64, 32))
    large = flow.between(torch.rand(1, 3, 200, 131), torch.rand(1, 3, 200, 131))
    assert sizes == [(128, 128), (200, 136)]
    assert small[0, :, 9, 9].tolist() == [1.5, 2]
    assert large[0, :, 9, 9].tolist() == pytest.approx([6 * 131 / 136, 4])


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"weights": "no.pth"}, "unknown weights 'no.pth'"),
        ({"weights": "random"}, "Allowed: C_T_V1"),
        ({"model": "large"}, "are not those of raft_large"),
        ({"model": "huge"}, "flow 'raft': unknown value for option 'model'"),
        ({"updates": 0}, "updates"),
    ],
)
def test_what_is_refused(weights: Path, options: dict[str, object], complaint: str) -> None:
    with pytest.raises(impasto.SettingsError, match=complaint):
        made(**{"model": "small", "weights": str(weights), **options})


def test_a_file_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(impasto.SettingsError, match="cannot be read: "):
        made(weights=str(tmp_path / "text.pth"))
