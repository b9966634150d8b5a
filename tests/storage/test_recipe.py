"""The recipe inside the picture: what is in it, who may leave it out, and the same picture again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from helpers import SHALLOW, Invoke, Pair, drawn
from impasto.optimization.inputs import sha256
from impasto.storage.recipe import read_recipe, with_recipe, without_recipe

SUFFIXES = ("png", "jpg", "webp", "tiff")

PLUGIN = """
import pathlib
import impasto

pathlib.Path({trace!r}).write_text("this code has run")

class Mean(impasto.Loss):
    target = "none"

    def summarize_layer(self, feature):
        return {{"mean": feature.mean()}}

    def compare_layer(self, summary, target):
        return summary["mean"]


@impasto.hookimpl
def impasto_losses():
    return [impasto.Offer("mean", Mean)]
"""


def paint(invoke: Invoke, pair: Pair, out: Path, *more: object) -> Path:
    done = invoke("run", pair.content, pair.style, "-o", out, "--size", 40, "--steps", 3,
                  *SHALLOW, *more)  # fmt: skip
    assert done.status == 0, done.err
    return out


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_rerun_gives_the_same_bytes(
    invoke: Invoke, pair: Pair, tmp_path: Path, suffix: str
) -> None:
    out = paint(
        invoke, pair, tmp_path / f"out.{suffix}", "--init", "noise", "--seed", 7, "--quality", 90
    )
    done = invoke("rerun", out)
    assert done.status == 0, done.err
    assert "only within rounding" not in done.err
    again = tmp_path / f"out_again.{suffix}"
    assert again.read_bytes() == out.read_bytes()
    other = paint(invoke, pair, tmp_path / f"b.{suffix}", "--init", "noise", "--seed", 8)
    with Image.open(out) as first, Image.open(other) as second:
        assert first.convert("RGB").tobytes() != second.convert("RGB").tobytes()


def test_show_prints_all_of_it(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    out = paint(invoke, pair, tmp_path / "out.webp", "--seed", 11)
    recipe = json.loads(invoke("show", out, "--json").out)
    assert recipe["inputs"] == {
        str(pair.content): sha256(pair.content),
        str(pair.style): sha256(pair.style),
    }
    assert recipe["settings"]["seed"] == 11
    assert recipe["settings"]["size"] == 40
    assert set(recipe["terms"]) == {"content", "gram"}
    assert recipe["loss"]["first"] > 0
    assert set(recipe["versions"]) == {"impasto", "torch", "pillow", "python"}
    assert set(recipe["machine"]) == {"device", "precision", "compiled", "threads"}
    assert recipe["weights"] == "oxford"
    assert len(recipe["network"]) == 64
    assert recipe["steps"] == 3
    text = invoke("show", out).out
    assert "    seed = 11\n" in text
    assert f"    {pair.content} = {sha256(pair.content)}\n" in text


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_recipe_leaves_it_out(invoke: Invoke, pair: Pair, tmp_path: Path, suffix: str) -> None:
    out = paint(invoke, pair, tmp_path / f"out.{suffix}", "--no-recipe")
    assert b"impasto" not in out.read_bytes()
    assert invoke("show", out).error == (f"impasto: error: '{out}' has no recipe of Impasto in it")


def test_a_content_that_is_a_result_hands_on_no_recipe(
    invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    first = paint(invoke, pair, tmp_path / "first.png", "--seed", 1)
    for more in ("--recipe", "--no-recipe"):
        second = tmp_path / f"second{more}.png"
        done = invoke("run", first, pair.style, "-o", second, "--size", 32, "--steps", 1, "--loss",
                      "tv", "--seed", 2, more)  # fmt: skip
        assert done.status == 0, done.err
        assert second.read_bytes().count(b"<impasto:recipe>") == (more == "--recipe")
    assert read_recipe(tmp_path / "second--recipe.png")["settings"]["seed"] == 2


def test_a_seed_by_chance_is_recorded(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    seeds = set()
    for name in ("a", "b"):
        out = tmp_path / f"{name}.png"
        done = invoke("run", pair.content, pair.style, "-o", out, "--size", 32, "--steps", 1,
                      "--loss", "tv", "--init", "noise", "--seed", "random", "--json")  # fmt: skip
        seed = json.loads(done.out)["seed"]
        assert read_recipe(out)["settings"]["seed"] == seed
        assert f"seed {seed}, drawn at random" in done.err
        seeds.add(seed)
        assert invoke("rerun", out).status == 0
        assert (tmp_path / f"{name}_again.png").read_bytes() == out.read_bytes()
    assert len(seeds) == 2


def test_inputs_that_changed_or_are_gone(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    out = paint(invoke, pair, tmp_path / "out.png")
    moved = tmp_path / "moved.png"
    pair.style.rename(moved)
    line = f"impasto: error: the input '{pair.style}' is gone; say where it is now (--input)"
    assert invoke("rerun", out).error == line
    drawn(56, 56, seed=99).save(pair.style)
    assert "has changed: its SHA-256 was" in invoke("rerun", out).error
    wrong = invoke("rerun", out, "--input", pair.style)
    assert wrong.error.endswith("no input of the recipe has that checksum")
    done = invoke("rerun", out, "--input", moved)
    assert done.status == 0, done.err
    with Image.open(out) as first, Image.open(tmp_path / "out_again.png") as second:
        assert first.tobytes() == second.tobytes()


def test_a_recipe_runs_no_code(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    plugin, trace = tmp_path / "mean.py", tmp_path / "trace.txt"
    plugin.write_text(PLUGIN.format(trace=str(trace)))
    out = tmp_path / "out.png"
    done = invoke("run", pair.content, pair.style, "-o", out, "--size", 32, "--steps", 1,
                  "--plugin", plugin, "--loss", "mean")  # fmt: skip
    assert done.status == 0, done.err
    trace.unlink()
    assert (
        f"the recipe in '{out}' needs the plugin '{plugin}', and documents load no code"
        in invoke("rerun", out).error
    )
    assert invoke("show", out).status == 0
    assert not trace.exists()
    assert invoke("rerun", out, "--plugin", plugin).status == 0
    assert trace.exists()
    plugin.write_text(plugin.read_text() + "\n# changed\n")
    done = invoke("rerun", out, "--plugin", plugin, "--force")
    assert f"the input '{plugin}' has changed" in done.error


def test_a_recipe_writes_nothing_but_the_output(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    out = paint(invoke, pair, tmp_path / "out.png", "--callback", f"log:file={log}")
    log.unlink()
    done = invoke("rerun", out)
    assert done.status == 0, done.err
    assert "callbacks of the recipe are left out: " in done.err
    assert not log.exists()


def test_a_run_that_was_stopped_has_a_recipe_that_stops(
    invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    stopper = tmp_path / "stopper.py"
    stopper.write_text(
        "import impasto\n\n\nclass Enough:\n    @impasto.hookimpl\n"
        "    def impasto_after_step(self, run, step):\n"
        "        if step.number == 2:\n            run.stop('enough')\n\n\n"
        "@impasto.hookimpl\ndef impasto_callbacks():\n    return [impasto.Offer('enough', Enough)]\n"
    )
    out = tmp_path / "out.png"
    for command in (
        ["run", pair.content, pair.style, "-o", out, "--size", "32", "--steps", "9", "--loss",
         "tv", "--init", "noise", "--plugin", stopper, "--callback", "enough"],
        ["rerun", out, "--plugin", stopper],
    ):  # fmt: skip
        done = invoke(*command)
        assert done.status == 0, done.err
    assert read_recipe(out)["steps"] == 2
    assert read_recipe(out)["stopped"] == "enough"
    with Image.open(out) as first, Image.open(tmp_path / "out_again.png") as second:
        assert first.tobytes() == second.tobytes()


def test_other_weights_are_refused(
    invoke: Invoke, pair: Pair, tmp_path: Path, weights: Path
) -> None:
    out = paint(invoke, pair, tmp_path / "out.png", "--extractor", f"vgg19:weights={weights}")
    assert read_recipe(out)["inputs"][str(weights)] == sha256(weights)
    with Image.open(out) as picture:
        packet = picture.info["xmp"]
    recipe = {**read_recipe(out), "network": "0" * 64}
    forged = with_recipe(packet, recipe)
    assert forged.count(b"<impasto:recipe>") == 1
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", forged.decode())
    drawn(40, 30, seed=1).save(tmp_path / "forged.png", pnginfo=info)
    assert invoke("rerun", tmp_path / "forged.png").error.endswith(
        "the network has other weights than the recipe's run"
    )


def test_a_hostile_recipe_does_not_steer_the_terminal(invoke: Invoke, tmp_path: Path) -> None:
    from PIL.PngImagePlugin import PngInfo

    path, info = tmp_path / "hostile.png", PngInfo()
    recipe = {
        "format": 1, "settings": {"content": "\x1b[2J\x07"}, "inputs": {}, "versions": {},
        "machine": {}, "steps": 1, "\x1b[31m": "<&>",
    }  # fmt: skip
    info.add_itxt("XML:com.adobe.xmp", with_recipe(b"", recipe).decode())
    drawn(40, 24, seed=1).save(path, pnginfo=info)
    done = invoke("show", path)
    assert done.status == 0
    assert "\x1b" not in done.out + done.err
    assert "<&>" in done.out
    assert "\x1b" not in invoke("rerun", path).err


def test_the_packet_is_left_as_it_was() -> None:
    packet = b'<?xpacket?><rdf:RDF xmlns:rdf="x"><rdf:Description a="1"/></rdf:RDF>   <?xpacket?>'
    filled = with_recipe(packet, {"a": "<b>&\"'"})
    assert filled != packet
    assert without_recipe(filled) == packet
    assert without_recipe(with_recipe(filled, {"c": 1})) == packet
