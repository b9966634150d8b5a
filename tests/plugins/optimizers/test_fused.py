"""Optimizers whose step is one kernel on a card: on processors they stay as they were."""

from __future__ import annotations

import pytest
import torch

import impasto
from impasto.model import gpu

NAMES = ["adam", "torch.Adam", "torch.AdamW", "torch.SGD"]


def fused(name: str, kind: torch.dtype = torch.float32) -> object:
    parameter = torch.nn.Parameter(torch.zeros(4, dtype=kind))
    return impasto.make("optimizer", name, [parameter]).param_groups[0]["fused"]


@pytest.mark.parametrize("name", NAMES)
def test_on_a_card_alone_and_for_real_numbers(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fused(name) is None
    monkeypatch.setattr(gpu, "is_cuda", lambda device: True)
    assert fused(name) is True
    assert fused(name, torch.complex64) is None


def test_not_where_torch_refuses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "is_cuda", lambda device: True)
    assert fused("torch.Adam:differentiable=true") is None
