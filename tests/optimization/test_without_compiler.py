"""A run that is not compiled starts without torch's compiler, which takes seconds to import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from helpers import Pair, same_threads
from impasto.optimization.without_compiler import (
    METHODS,
    _functions_of_shapes,
    shapes_without_compiler,
    without_compiler,
)

RUN = """
import sys
import impasto

# 256 channels and more take Winograd's convolution; a checkpoint saves the optimizer; with a limit of
# memory, as at 1024 pixels, the run is gone through with shapes before.
loss = ["content:layers=conv3_2", "gram:layers=conv1_1,conv3_1"]
result = impasto.run({content!r}, {style!r}, size=32, steps=(2, 2), scales="24", extractor="random",
                     loss=loss, checkpoint={folder!r}, checkpoint_every=1e-9,
                     max_memory="64GB")
assert result.steps == 4
print(*sorted(name for name in {names!r} if name in sys.modules))
"""


def test_a_run_with_a_checkpoint_and_a_limit_of_memory_does_not_import_it(
    pair: Pair, tmp_path: Path
) -> None:
    code = RUN.format(
        content=str(pair.content), style=str(pair.style), folder=str(tmp_path / "kept"),
        names=["torch", "torch._dynamo", "torch._inductor", "torchvision", "tensorboard", "av"],
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=same_threads(),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["torch"]


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
