"""Sweeps: every combination is painted once, stands in its place, and is checked before any work."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import numpy
import pytest
from PIL import Image

import impasto
from batches import TINY
from helpers import Invoke, Outcome, Pair
from impasto.images.contact_sheet import contact_sheet
from impasto.jobs.sweep import Vary, combinations
from impasto.settings.settings import gather
from impasto.settings.spec import Spec
from impasto.storage.recipe import read_recipe

LOSSES = ("--loss", "content:layers=conv1_1", "--loss", "gram:layers=conv1_1")


def test_all_combinations_in_one_labeled_sheet(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    out, folder = tmp_path / "sheet.png", tmp_path / "pictures"
    done = invoke(
        "sweep", pair.content, pair.style, "--vary", "loss.gram.weight=1,50", "--vary",
        "optimizer=lbfgs,adam,torch.SGD", "-o", out, "--size", 40, "--steps", 2, *LOSSES, "--folder",
        folder, "--cell", 40,
    )  # fmt: skip
    assert done.status == 0, done.err
    assert done.out == ""
    cells = []
    for weight in ("1", "50"):
        for optimizer in ("lbfgs", "adam", "torch.SGD"):
            picture = impasto.run(
                pair.content, pair.style, size=40, steps=2, optimizer=optimizer,
                loss=["content:layers=conv1_1", f"gram:layers=conv1_1,weight={weight}"],
            ).picture  # fmt: skip
            label = f"loss.gram.weight={weight} optimizer={optimizer}"
            cells.append((label, picture))
            with Image.open(folder / f"{label.replace(' ', '_')}.png") as kept:
                assert kept.tobytes() == picture.tobytes()
    with Image.open(out) as sheet:
        expected = contact_sheet(cells, columns=3, cell=40)
        assert numpy.array_equal(numpy.asarray(sheet), numpy.asarray(expected))


def test_keys_reach_settings_and_options_of_plugins() -> None:
    settings = gather({"content": "a", "style": "b", "optimizer": "adam"}, None, None)
    varies = [
        Vary.parse("scales=single;64,128"),
        Vary.parse("optimizer.lr=0.1"),
        Vary.parse("loss.gram.layers=conv1_1,conv2_1;conv3_1"),
    ]
    made = combinations(settings, varies)
    assert len(made) == 4
    label, last = made[-1]
    assert label == "scales=64,128 optimizer.lr=0.1 loss.gram.layers=conv3_1"
    assert last.scales == (64, 128)
    assert last.optimizer == Spec("adam", {"lr": "0.1"})
    assert [spec.options.get("layers") for spec in last.loss if spec.name == "gram"] == ["conv3_1"]
    named = combinations(settings, [Vary.parse("optimizer.adam.lr=1,2")])
    assert [one.optimizer.options["lr"] for _, one in named] == ["1", "2"]


def test_a_failing_combination_is_shown_as_that(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    plugin, out = tmp_path / "late.py", tmp_path / "sheet.png"
    plugin.write_text(
        "import impasto\n"
        "class Late(impasto.Loss):\n"
        "    target = 'none'\n"
        "    calls = 0\n"
        "    def __init__(self, at: int = 99): super().__init__(); self.at = at\n"
        "    def summarize_layer(self, feature):\n"
        "        self.calls += 1\n"
        "        if self.calls == self.at: raise RuntimeError('too late')\n"
        "        return {'sum': feature.square().sum()}\n"
        "    def compare_layer(self, summary, target): return summary['sum']\n"
        "@impasto.hookimpl\n"
        "def impasto_losses(): return [impasto.Offer('late', Late)]\n"
    )
    done = invoke("sweep", pair.content, pair.style, "--vary", "loss.late.at=2,99", "-o", out,
                  "--size", 32, "--steps", 3, "--loss", "late", "--plugin", plugin, "--optimizer",
                  "torch.SGD:lr=1e-6", "--quiet", "--folder", tmp_path / "all")  # fmt: skip
    assert done.status == 0, done.err
    assert "too late" in done.err
    pictures = {}
    for at, label in ((2, "FAILED loss.late.at=2"), (99, "loss.late.at=99")):
        with Image.open(tmp_path / "all" / f"loss.late.at={at}.png") as picture:
            pictures[label] = picture.convert("RGB")
    with Image.open(out) as sheet:
        assert sheet.tobytes() == contact_sheet(list(pictures.items()), 2).tobytes()
    assert read_recipe(tmp_path / "all" / "loss.late.at=2.png")["stopped"] == "failed"


def painted(done: Outcome) -> list[tuple[str, str]]:
    """What a sweep or a batch painted: names of pictures, and what became of them."""
    assert done.status == 0, done.err
    records = map(json.loads, done.out.splitlines())
    return [(one["output"], one["status"]) for one in records]


def test_called_again_it_paints_what_is_missing(
    invoke: Invoke, pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = (
        "sweep",
        pair.content,
        pair.style,
        "-o",
        "sheet.png",
        "--folder",
        "all",
        "--json",
        *TINY,
    )
    log = ("--callback", "log:file=a.csv")
    assert painted(invoke(*given, "--vary", "seed=0,1", *log)) == [
        ("seed=0.png", "done"), ("seed=1.png", "done"),
    ]  # fmt: skip
    os.unlink("all/seed=0.png")
    assert painted(invoke(*given, "--vary", "seed=0,1", *log)) == [("seed=0.png", "done")]
    more = invoke(*given, "--vary", "seed=0,1,2", *log, "--cell", 32)
    assert painted(more) == [("seed=2.png", "done")]
    assert sorted(path.name for path in Path().glob("a*.csv")) == [
        f"a_seed={seed}.csv" for seed in range(3)
    ]
    with Image.open("sheet.png") as sheet:
        assert sheet.width == 3 * (32 + 8) + 8


def test_without_a_folder_there_is_the_sheet_alone(
    invoke: Invoke, pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("here", "temporary"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    given = ("sweep", pair.content, pair.style, "--vary", "seed=0,1", *TINY)
    one = invoke(*given, "-o", "one.png")
    two = invoke(*given, "-o", "two.png", "--executor", "processes:workers=1,threads=1")
    assert (one.status, two.status) == (0, 0), one.err + two.err
    assert sorted(os.listdir()) == ["one.png", "two.png"]
    assert not list((tmp_path / "temporary").glob("impasto-*"))
    assert Path("one.png").read_bytes() == Path("two.png").read_bytes()


def test_objects_of_python_are_painted_in_this_process(pair: Pair, tmp_path: Path) -> None:
    losses = []

    def look(step: impasto.Step) -> None:
        losses.append(step.loss)

    given = {"size": 32, "steps": 2, "loss": ["tv"], "scales": "single"}
    for calls in (1, 2):
        impasto.sweep(pair.content, pair.style, {"seed": [0, 1]}, folder=tmp_path / "all",
                      callback=[look], **given)  # type: ignore[arg-type]  # fmt: skip
        assert len(losses) == calls * 2 * 2, "nobody knows whether it is the same object"
    with pytest.raises(impasto.SettingsError, match="which only the executor local can have"):
        impasto.sweep(pair.content, pair.style, {"seed": [0]}, executor="processes",
                      callback=[look], **given)  # type: ignore[arg-type]  # fmt: skip


@pytest.mark.parametrize(
    ("vary", "complaint"),
    [
        ("loss.gram.wieght=1,2", "loss 'gram': unknown option 'wieght'; did you mean 'weight'?"),
        ("loss.grm.weight=1", "vary loss.grm.weight: unknown loss of this run 'grm'; did you mean"),
        ("los=1", "vary los: unknown setting 'los'; did you mean 'loss'?"),
        ("loss.weight=1", "there are several; name one, as in loss.content.weight"),
        ("seed.x=1", "the setting 'seed' has no options"),
        ("optimizer=lbfgs,adm", "unknown optimizer 'adm'; did you mean 'adam'?"),
        ("size", "is not of the form key=value,value"),
        ("size=64,", "is not of the form key=value,value"),
        ("size=64,4", "setting 'size'"),
    ],
)
def test_what_is_refused_before_any_work(
    invoke: Invoke, pair: Pair, tmp_path: Path, vary: str, complaint: str
) -> None:
    out = tmp_path / "sheet.png"
    done = invoke("sweep", pair.content, pair.style, "--vary", vary, "-o", out, *LOSSES)
    assert done.status == 1
    assert complaint in done.error
    assert "painted" not in done.err
    assert not out.exists()


def test_a_checkpoint_is_refused(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    done = invoke("sweep", pair.content, pair.style, "--vary", "seed=1,2", "--checkpoint", tmp_path,
                  "-o", tmp_path / "sheet.png")  # fmt: skip
    assert "a sweep takes no checkpoint" in done.error
