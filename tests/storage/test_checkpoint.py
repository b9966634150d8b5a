"""Stopping and going on: the picture is, bit for bit, the one that never stopping gives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

import impasto
from helpers import Invoke, Pair, drawn, refused, same_threads, stopped_at
from impasto.jobs.run import prepare_run
from impasto.optimization.loop import paint
from impasto.settings.settings import gather
from impasto.storage.checkpoint import NAME, open_checkpoint, packed, read_checkpoint
from processes import run_apart

GRAM = ["content:layers=conv1_2", "gram:layers=conv1_1"]
RANDOM = ["sliced:layers=conv1_1,projections=8", "nearest:layers=conv1_1,samples=50"]

FAST: dict[str, dict[str, object]] = {
    "lbfgs in a pyramid": {"loss": GRAM, "scales": "24,32"},
    "adam in a pyramid, averaged": {
        "loss": GRAM, "optimizer": "adam", "scales": "24,32", "ema": 0.9, "init": "noise",
    },
    "rmsprop on a pyramid of Laplace": {
        "loss": GRAM, "optimizer": "torch.RMSprop:lr=0.002", "scales": "24,32", "canvas": "laplacian",
        "content_detail": 1,
    },
    "hypercolumns at places that move": {
        "loss": [
            f"{name}=50,redraw=2{layers}"
            for name, layers in (
                ("relaxed_emd:hypercolumns", ",layers=conv1_1,conv1_2"),
                ("self_similarity:hypercolumns", ",layers=conv1_1,by_stage=0.5"),
                ("covariance:hypercolumns", ",layers=conv1_1"),
                ("palette:pixels", ",by_stage=2"),
            )
        ],
        "optimizer": "torch.RMSprop:lr=0.002", "scales": "24,32", "canvas": "laplacian",
    },
    "neighbors that are kept": {
        "loss": ["neural_neighbors:layers=conv1_1,conv1_2,samples=300,split_steps=4,rematch=2"],
        "optimizer": "adam", "scales": "24,32", "canvas": "laplacian", "style_turns": 4,
    },
    "momentum and a schedule": {
        "loss": GRAM, "optimizer": "torch.SGD:lr=0.1,momentum=0.9", "schedule": "CosineAnnealingLR",
    },
    "random losses, fourier": {
        "loss": RANDOM, "optimizer": "lbfgs", "scales": "24,32", "canvas": "fourier",
    },
}  # fmt: skip
SLOW: dict[str, dict[str, object]] = {
    "lbfgs with bands of frequency": {
        "loss": GRAM, "optimizer": "lbfgs:precondition=true,first_step=0.01", "canvas": "pixels:clamp=true",
    },
    "lbfgs with a line search": {"loss": GRAM, "optimizer": "lbfgs:line_search_fn=strong_wolfe"},
    "one cycle": {
        "loss": GRAM, "optimizer": "torch.Adam:lr=0.01", "schedule": "OneCycleLR:max_lr=0.05",
    },
    "a plateau": {
        "loss": GRAM, "optimizer": "adam", "schedule": "ReduceLROnPlateau:patience=1",
    },
    "torch's own lbfgs": {"loss": GRAM, "optimizer": "torch.LBFGS:max_iter=2"},
    "rprop": {"loss": GRAM, "optimizer": "torch.Rprop"},
    "adagrad": {"loss": GRAM, "optimizer": "torch.Adagrad"},
    "luminance alone": {"loss": GRAM, "colors": "luminance", "canvas": "pixels:clamp=true"},
    "random losses, adam": {"loss": RANDOM, "optimizer": "adam"},
    "compiled": {"loss": GRAM, "compile": "on"},
}  # fmt: skip
RUNS = {**FAST, **SLOW}


@pytest.mark.parametrize(
    "name", [*FAST, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]
)
def test_a_resumed_run_gives_the_same_picture(pair: Pair, tmp_path: Path, name: str) -> None:
    given: dict[str, object] = {
        "content": str(pair.content), "style": str(pair.style), "size": 32, "steps": 5, "seed": 5,
        **RUNS[name],
    }  # fmt: skip
    settings = gather(given, None, None)
    whole = paint(prepare_run(settings))
    # In the middle of a stage, and where there are two, at the end of the first.
    for step in (8, 5) if "scales" in RUNS[name] else (3,):
        folder = tmp_path / str(step)
        stopped_at(step, folder, settings)
        torch.manual_seed(99)
        resumed = impasto.resume(folder)
        assert torch.equal(resumed.image, whole.image), step
        assert resumed.losses == whole.losses
        assert resumed.terms == whole.terms
        assert resumed.steps == whole.steps


DRAWING = """
import torch
import impasto

class Drawing(impasto.Loss):
    "Draws another target at each evaluation, from the generator of the run."

    target = "none"

    def __init__(self, generator):
        super().__init__()
        self.generator = generator

    def summarize_layer(self, feature):
        target = torch.rand(feature.shape, generator=self.generator)
        return {"distance": (feature - target).square().mean()}

    def compare_layer(self, summary, target):
        return summary["distance"]


@impasto.hookimpl
def impasto_losses():
    return [impasto.Offer("drawing", Drawing)]
"""


def test_a_resumed_run_draws_what_it_would_have_drawn(pair: Pair, tmp_path: Path) -> None:
    plugin = tmp_path / "drawing.py"
    plugin.write_text(DRAWING, encoding="utf-8")
    settings = gather(
        {"content": str(pair.content), "style": str(pair.style), "size": 32, "steps": 5,
         "optimizer": "adam", "loss": ["drawing"], "plugin": str(plugin)}, None, None,
    )  # fmt: skip
    whole = paint(prepare_run(settings))
    stopped_at(3, tmp_path / "kept", settings)
    resumed = impasto.resume(tmp_path / "kept", plugins=[str(plugin)])
    assert resumed.losses == whole.losses
    assert torch.equal(resumed.image, whole.image)


def run_to_a_checkpoint(invoke: Invoke, pair: Pair, folder: Path) -> bytes:
    """A whole run by the command line, with a checkpoint; the bytes of its picture."""
    out = folder.parent / "out.png"
    done = invoke("run", pair.content, pair.style, "-o", out, "--size", 32, "--steps", 4,
                  "--loss", "tv", "--checkpoint", folder, "--checkpoint-every", 0)  # fmt: skip
    assert done.status == 0, done.err
    return out.read_bytes()


def test_a_finished_run_gives_its_picture_again(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    whole = run_to_a_checkpoint(invoke, pair, tmp_path / "kept")
    (tmp_path / "out.png").unlink()
    done = invoke("resume", tmp_path / "kept", "--json")
    assert done.status == 0, done.err
    assert json.loads(done.out)["steps"] == 4
    assert (tmp_path / "out.png").read_bytes() == whole
    assert sorted(os.listdir(tmp_path / "kept")) == [NAME, "lock", "written.json"]


def test_a_folder_with_a_checkpoint_is_not_written_over(
    invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    run_to_a_checkpoint(invoke, pair, tmp_path / "kept")
    line = refused(invoke("run", pair.content, pair.style, "-o", tmp_path / "other.png",
                          "--size", 32, "--checkpoint", tmp_path / "kept"))  # fmt: skip
    assert "has a checkpoint already; resume it, or set force to start over (--force)" in line


def test_checkpoints_that_are_refused(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    assert refused(invoke("resume", kept)) == f"there is no checkpoint in '{kept}'"
    run_to_a_checkpoint(invoke, pair, kept)
    good = (kept / NAME).read_bytes()

    def line(data: bytes) -> str:
        (kept / NAME).write_bytes(data)
        return refused(invoke("resume", kept))

    assert "is cut short or damaged" in line(good[: len(good) // 2])
    assert "is cut short or damaged" in line(b"")
    assert "is damaged: its checksum does not fit" in line(good[:-1] + bytes([good[-1] ^ 1]))
    version = b'{\\"checkpoint\\": \\"7\\"'
    assert version in good
    other = line(good.replace(version, version.replace(b"7", b"8")))
    assert "is of another version: it was made with checkpoint 8, this is checkpoint 7" in other
    (kept / NAME).write_bytes(good)
    drawn(56, 56, seed=3).save(pair.style)
    other = refused(invoke("resume", kept))
    assert other == f"the input '{pair.style}' is not the one that the checkpoint was made with"
    pair.content.unlink()
    assert refused(invoke("resume", kept)) == f"picture '{pair.content}' does not exist"


def test_bad_folders_and_pictures_in_memory_are_refused(
    invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    line = refused(invoke("run", pair.content, pair.style, "-o", tmp_path / "out.png",
                          "--checkpoint", blocked))  # fmt: skip
    assert line.startswith(f"folder '{blocked}': ")
    with (
        Image.open(pair.content) as content,
        pytest.raises(impasto.SettingsError, match="needs pictures in files"),
    ):
        impasto.run(content, pair.style, checkpoint=str(tmp_path / "kept"))


FAILS = """
import impasto
class Fails(impasto.Loss):
    "Fails at its third evaluation."
    calls = 0
    def summarize(self, features):
        return {}
    def compare(self, summary, target):
        type(self).calls += 1
        if self.calls == 3:
            raise RuntimeError("a defect")
        return self.zero.sum()
    def __init__(self):
        super().__init__()
        import torch
        self.zero = torch.zeros(1, requires_grad=True)
@impasto.hookimpl
def impasto_losses():
    return [impasto.Offer("fails", Fails)]
"""


def test_a_failure_leaves_the_state_of_the_last_whole_step(
    invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    plugin, kept, out = tmp_path / "fails.py", tmp_path / "kept", tmp_path / "out.png"
    plugin.write_text(FAILS)
    done = invoke("run", pair.content, pair.style, "-o", out, "--size", 32, "--steps", 5,
                  "--loss", "tv", "--loss", "fails", "--plugin", plugin,
                  "--checkpoint", kept)  # fmt: skip
    assert f"loss 'fails' of plugin 'fails' (file {plugin}) failed" in done.error
    assert read_checkpoint(kept)["step"] == 2
    plugin.write_text(FAILS.replace("== 3", "== 300"))
    line = refused(invoke("resume", kept))
    assert line.startswith(
        f"the checkpoint in '{kept}' needs the plugin '{plugin}', and documents load no code"
    )
    done = invoke("resume", kept, "--plugin", plugin)
    assert done.status == 0, done.err
    assert f"warning: the input '{plugin}' is not the one that the checkpoint was" in done.err
    resumed = out.read_bytes()
    done = invoke("run", pair.content, pair.style, "-o", out, "--size", 32, "--steps", 5,
                  "--loss", "tv", "--loss", "fails", "--plugin", plugin, "--force")  # fmt: skip
    assert out.read_bytes() == resumed


def test_the_tests_have_a_key_of_their_own_in_all_processes(
    invoke: Invoke, pair: Pair, tmp_path: Path, configuration: Path
) -> None:
    run = [str(word) for word in ("run", pair.content, pair.style, "-o", tmp_path / "out.png", "--size",
           16, "--steps", 1, "--loss", "tv", "--force", "--checkpoint")]  # fmt: skip
    assert invoke(*run, tmp_path / "here").status == 0
    assert run_apart(*run, tmp_path / "forked").status == 0
    command = [sys.executable, "-m", "impasto", *run, str(tmp_path / "started")]
    subprocess.run(command, check=True, env=same_threads(), capture_output=True)
    key = (configuration / "impasto" / "key").read_bytes()
    for name in ("here", "forked", "started"):
        assert open_checkpoint(tmp_path / name)[1], name
    assert (configuration / "impasto" / "key").read_bytes() == key


SIGNALS = """
import signal
import impasto

@impasto.hookimpl
def impasto_after_step(run, step):
    if step.number == 20 and not run.seconds_before:
        signal.raise_signal(signal.{sent})
"""


@pytest.mark.parametrize(("sent", "status"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_leaves_a_checkpoint_to_go_on_from(
    invoke: Invoke, pair: Pair, tmp_path: Path, sent: str, status: int
) -> None:
    out, kept, plugin = tmp_path / "out.png", tmp_path / "kept", tmp_path / "signals.py"
    plugin.write_text(SIGNALS.format(sent=sent))
    # In the folder of the pictures, by relative paths, and resumed from elsewhere.
    done = run_apart(
        "run", "content.png", "style.png", "-o", "out.png", "--size", 64, "--steps", 60, "--loss", "tv",
        "--plugin", "signals.py", "--checkpoint", "kept", "--no-recipe", folder=tmp_path,
    )  # fmt: skip
    assert done.status == status, done.err
    assert read_checkpoint(kept)["step"] == 20
    assert "stopping after this step; once more stops at once" in done.err
    assert "the picture after 20 steps is in 'out.png'" in done.err
    assert invoke("resume", kept, "--plugin", plugin).status == 0
    resumed = out.read_bytes()
    done = invoke("run", pair.content, pair.style, "-o", out, "--size", 64, "--steps", 60,
                  "--loss", "tv", "--force", "--no-recipe")  # fmt: skip
    assert done.status == 0
    assert out.read_bytes() == resumed


def test_a_state_is_written_without_a_copy(tmp_path: Path) -> None:
    """But for what shares memory, which the file holds twice."""
    whole = torch.arange(100_000.0)
    state = {"picture": whole, "best": whole, "turned": torch.ones(3, 5).T}
    made = packed(state, torch.device("cpu"))
    made.write(tmp_path)
    shared = [one.data_ptr() == whole.data_ptr() for one in made.tensors.values()]
    assert shared == [True, False, False]
    copied = packed(state, torch.device("cpu"), copies=True)
    assert all(one.data_ptr() != whole.data_ptr() for one in copied.tensors.values())
    for name, tensor in read_checkpoint(tmp_path).items():
        assert torch.equal(tensor, state[name])
