"""When memory runs out, what was allocated is written down before the error is shown."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from helpers import Invoke, Pair
from impasto_profiling.out_of_memory import alive

GREEDY = """
import impasto, torch

kept = []

class Greedy(impasto.Loss):
    target = "none"

    def summarize_layer(self, feature):
        if feature.requires_grad:
            kept.append(torch.zeros(3, 1024, 1024))
            torch.empty(2**52)
        return {"mean": feature.mean()}

    def compare_layer(self, summary, target):
        return summary["mean"]

def greedy(weight: impasto.Weight = 1.0, layers: impasto.Layers = ("image",)):
    return Greedy(weight, layers)

@impasto.hookimpl
def impasto_losses():
    return [impasto.Offer("greedy", greedy)]
"""


def test_what_was_allocated_is_dumped(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    plugin = tmp_path / "greedy.py"
    plugin.write_text(GREEDY, encoding="utf-8")
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "out.png", "--size", 32,
                  "--plugin", plugin, "--loss", "greedy", "--quiet",
                  "--callback", f"profile:folder={tmp_path / 'log'}")  # fmt: skip
    assert done.status == 1
    path = tmp_path / "log" / "out_of_memory.txt"
    said = f"impasto: warning: out of memory: what was allocated is in '{path}'"
    assert done.err.index(said) < done.err.index("impasto: error: out of memory at")
    text = path.read_text(encoding="utf-8")
    assert "allocate memory" in text
    assert "in: loss/greedy\n" in text
    assert "12.0 MiB  float32   (3, 1024, 1024)  cpu, no gradient\n" in text


def test_another_failure_dumps_nothing(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    plugin = tmp_path / "greedy.py"
    plugin.write_text(GREEDY.replace("torch.empty(2**52)", "1 / 0"), encoding="utf-8")
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "out.png", "--size", 32,
                  "--plugin", plugin, "--loss", "greedy", "--quiet",
                  "--callback", f"profile:folder={tmp_path / 'log'}")  # fmt: skip
    assert done.status == 1
    assert "ZeroDivisionError" in done.error
    assert not (tmp_path / "log" / "out_of_memory.txt").exists()


def test_tensors_without_memory_are_left_out() -> None:
    """Those that torch.compile and ``torch.func`` wrap tensors in are of the plain class, too."""
    with FakeTensorMode():
        fake = torch.zeros(7, 11)
    meta, real = torch.zeros(7, 13, device="meta"), torch.zeros(7, 17)
    wrapped = [torch._to_functional_tensor(torch.zeros(7, 19)), torch._efficientzerotensor((7, 23))]

    def keep(one: Tensor) -> Tensor:
        wrapped.append(one)
        return one

    torch.vmap(keep)(torch.zeros(7, 29))
    found = set(map(id, alive()))
    assert id(real) in found
    assert not found & set(map(id, (fake, meta, *wrapped)))
