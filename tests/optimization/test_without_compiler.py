"""A run that is not compiled starts without torch's compiler, which takes seconds to import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from helpers import Pair, same_threads
from impasto.optimization.without_compiler import METHODS, without_compiler

RUN = """
import sys
import impasto

# 256 channels and more take Winograd's convolution; a checkpoint saves the optimizer.
loss = ["content:layers=conv3_2", "gram:layers=conv1_1,conv3_1"]
result = impasto.run({content!r}, {style!r}, size=32, steps=(2, 2), scales="24", extractor="random",
                     loss=loss, checkpoint={folder!r}, checkpoint_every=1e-9)
assert result.steps == 4
print(*sorted(name for name in {names!r} if name in sys.modules))
"""


def test_a_run_with_a_checkpoint_does_not_import_it(pair: Pair, tmp_path: Path) -> None:
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
