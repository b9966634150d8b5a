"""A run that is not compiled starts without torch's compiler, which takes seconds to import."""

from __future__ import annotations

import sys

import pytest
import torch

from impasto.optimization.without_compiler import (
    METHODS,
    _functions_of_shapes,
    shapes_without_compiler,
    without_compiler,
)


def test_a_run_with_a_checkpoint_and_a_limit_of_memory_does_not_import_it(
    imported: set[str],
) -> None:
    assert not imported & {"torch._dynamo", "torch._inductor", "torchvision", "tensorboard", "av"}


def test_what_it_changes_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch._dynamo", raising=False)
    plain = [getattr(torch.optim.Optimizer, name).__wrapped__ for name in METHODS]
    for method in plain:
        monkeypatch.delattr(method, "__dynamo_disable", raising=False)
    with without_compiler():
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
        assert optimizer.state_dict()["param_groups"][0]["lr"] == 0.5
        assert "torch._dynamo" not in sys.modules
    assert not [method for method in plain if "__dynamo_disable" in vars(method)]


def test_shapes_do_not_ask_for_it_either_and_no_trace_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "torch._dynamo", raising=False)
    hidden = list(_functions_of_shapes())
    for function in hidden:
        monkeypatch.delattr(function, "__dynamo_disable", raising=False)
    shape = torch.empty(2, 3, device="meta")
    with shapes_without_compiler():
        assert torch.where(((shape - 1) * 2).relu().isnan(), shape, 0).shape == (2, 3)
        assert "torch._dynamo" not in sys.modules
    assert not [function for function in hidden if "__dynamo_disable" in vars(function)]
