"""Only --plugin and installed entry points bring in code: files that hold pickled code are refused unrun."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from helpers import Invoke, Pair, refused
from impasto.storage.checkpoint import NAME

FORMS = ("pickle", "torch", "torch of old")


class Trap:
    """Leaves a trace when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, (f"open({str(self.trace)!r}, 'w').close()",)


def trap(path: Path, form: str, trace: Path) -> None:
    state = {"features.0.weight": Trap(trace), "blocks": [Trap(trace)]}
    if form == "pickle":
        path.write_bytes(pickle.dumps(state))
    else:
        torch.save(state, path, _use_new_zipfile_serialization=form == "torch")


@pytest.mark.parametrize("form", FORMS)
def test_the_trap_works(tmp_path: Path, form: str) -> None:
    file, trace = tmp_path / "trap", tmp_path / "trace"
    trap(file, form, trace)
    if form == "pickle":
        pickle.loads(file.read_bytes())
    else:
        torch.load(file, weights_only=False)
    assert trace.exists()


@pytest.mark.parametrize("form", FORMS)
def test_files_with_pickled_code_are_refused_and_nothing_runs(
    invoke: Invoke, pair: Pair, tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    trace, kept = tmp_path / "trace", tmp_path / "kept"
    kept.mkdir()
    names = ("weights.pth", "a.style", "a.png", "a.toml", "a.npy")
    files = {name: tmp_path / name for name in names} | {"checkpoint": kept / NAME}
    for file in files.values():
        trap(file, form, trace)
    run = ("run", pair.content, pair.style, "-o", tmp_path / "out.png", "--size", 32)
    for command in (
        (*run, "--extractor", f"vgg19:weights={files['weights.pth']}"),
        (*run, "--extractor", f"vgg16_bn:weights={files['weights.pth']}"),
        (*run, "--extractor", f"torchvision:model=resnet18,weights={files['weights.pth']}",
         "--loss", "gram:layers=relu"),
        ("run", pair.content, files["a.style"]),
        ("style", "show", files["a.style"]),
        ("run", files["a.png"], pair.style),
        (*run, "--style", f"{pair.style}:content_mask={files['a.png']}"),
        (*run, "--init", files["a.npy"]),
        (*run, "--config", files["a.toml"]),
        (*run, "--preset", files["a.toml"]),
        ("resume", kept),
        ("show", files["a.png"]),
        ("rerun", files["a.png"]),
    ):  # fmt: skip
        assert "bug in Impasto" not in refused(invoke(*command)), command
        assert not trace.exists(), command
