"""Help, completion, how much is said, and the words that people bring from other programs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import click
import pytest

from helpers import Invoke, Pair
from impasto.command.help import groups
from impasto.command.main import COMMANDS
from impasto.command.other_words import OTHER_WORDS
from impasto.command.run import run as run_command
from impasto.settings.groups import GROUPS
from impasto.settings.settings import Settings


def test_each_setting_is_in_exactly_one_group() -> None:
    grouped = [name for lines in GROUPS.values() for name in lines]
    assert sorted(grouped) == sorted({field.name for field in fields(Settings)} - {"content"})
    options = {one.name for one in run_command.params if isinstance(one, click.Option)}
    assert options <= {name for lines in groups().values() for name in lines}


def test_the_help_of_run_fits_a_screen_and_the_long_one_has_all(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    short, long = invoke("run", "-h").out, invoke("run", "--help-all").out
    assert len(short.splitlines()) <= 42
    assert max(map(len, short.splitlines())) <= 80
    titles = [line for line in short.splitlines() if line.endswith(":") and line[0] != " "]
    assert titles == ["Pictures:", "Look:", "Size and steps:", "Speed:", "Saving:", "Plugins:"]
    for field in fields(Settings)[1:]:
        assert f"--{field.name.replace('_', '-')} " in long.replace("/", " ")
    assert "--size N ≥ 16|original" in long
    assert "[80, 65, 52, 45, 40]" in long, "the values are those of the preset that is taken"


def test_impasto_alone_prints_its_help(invoke: Invoke) -> None:
    done = invoke()
    assert done.status == 0
    assert all(f"  {name}  " in done.out for name in ("run", "resume", "plugins"))
    assert done.out == invoke("--help").out


def small(pair: Pair, out: Path, *more: object) -> tuple[object, ...]:
    return ("run", pair.content, pair.style, "-o", out, "--size", 32, "--steps", 1, "--loss", "tv",
            "--precision", "float32", "--device", "cpu", *more)  # fmt: skip


def test_one_line_says_what_was_chosen_and_quiet_none(
    invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    said = invoke(*small(pair, tmp_path / "a.png", "--json")).err
    lines = [line for line in said.splitlines() if line.startswith("impasto: ")]
    assert lines == ["impasto: computing on cpu in float32, not compiled"]
    why = invoke(*small(pair, tmp_path / "b.png", "-v")).err
    assert "impasto: compile off: " in why
    assert "b.png: 32 × 24 pixels, 1 step in" in why
    quiet = invoke(*small(pair, tmp_path / "c.png", "--quiet"))
    assert (quiet.status, quiet.out, quiet.err) == (0, "", "")
    both = invoke(*small(pair, tmp_path / "d.png", "--quiet", "--json"))
    assert json.loads(both.out)["steps"] == 1
    assert both.err == ""


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--iterations", "500"], "there is no option '--iterations'; here it is --steps N"),
        (["-num_iterations", "500"], "there is no option '-num_iterations'; here it is --steps N"),
        (["--image_size=256"], "there is no option '--image_size'; here it is --size N"),
        (["-output_image", "a.png"], "here it is --output FILE, or -o FILE"),
        (["-gpu", "0"], "here it is --device cuda"),
        (["--lr", "1"], "here it is an option of the optimizer: --optimizer adam:lr="),
    ],
)
def test_words_of_other_programs(
    invoke: Invoke, pair: Pair, tmp_path: Path, words: list[str], expected: str
) -> None:
    done = invoke("run", pair.content, pair.style, *words)
    assert done.status == 2
    assert expected in done.error
    assert len(done.err.splitlines()) == 1


def test_a_picture_or_an_option_in_place_of_a_command(invoke: Invoke, pair: Pair) -> None:
    done = invoke(pair.content, pair.style)
    assert done.status == 2
    assert done.error.endswith(f"is no command; to paint it: impasto run {pair.content} STYLE")
    done = invoke("--content-image", pair.content)
    assert done.status == 2
    assert "there is no option '--content-image'; here it is the first argument" in done.error


def test_what_is_named_instead_of_other_words_is_there() -> None:
    options = {option for one in run_command.params for option in one.opts}
    for word, instead in OTHER_WORDS.items():
        assert word not in options
        named = [part.rstrip(",") for part in instead.split() if part.startswith("--")]
        assert set(named) <= options, word


def test_several_styles_by_their_place(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    style = f"{pair.style}:weight=3"
    by_place = ("run", pair.content, pair.style, style)
    by_option = ("run", pair.content, pair.style, "--style", style)
    pictures = []
    for number, words in enumerate((by_place, by_option)):
        out = tmp_path / f"{number}.png"
        done = invoke(
            *words, "-o", out, "--size", 32, "--steps", 2, "--loss", "gram:layers=conv1_1"
        )
        assert done.status == 0, done.err
        pictures.append(out.read_bytes())
    assert pictures[0] == pictures[1]


def test_weights_of_style_and_content(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    def first_terms(*more: object) -> dict[str, float]:
        done = invoke("run", pair.content, pair.style, "-o", tmp_path / "out.png", "--size", 32,
                      "--steps", 1, "--init", "noise", "--loss", "content:layers=conv1_1,weight=4",
                      "--loss", "gram:layers=conv1_1", "--loss", "tv", "--precision", "float32",
                      "--json", "--force", *more)  # fmt: skip
        terms: dict[str, float] = json.loads(done.out)["terms"]
        return terms

    plain = first_terms()
    other = first_terms("--style-weight", 3, "--content-weight", 0.5)
    assert other["gram"] == pytest.approx(3 * plain["gram"])
    assert other["content"] == pytest.approx(plain["content"] / 2)
    assert other["tv"] == pytest.approx(plain["tv"])


def completed(words: str, incomplete: str, folder: Path) -> list[tuple[str, str]]:
    """What bash is told for a line that ends in an incomplete word: kind and value."""
    line = f"impasto {words} {incomplete}"
    environment = {
        **os.environ,
        "_IMPASTO_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split()) - bool(incomplete)),
    }
    done = subprocess.run([sys.executable, "-m", "impasto"], capture_output=True, text=True,
                          env=environment, cwd=folder, check=False)  # fmt: skip
    assert done.stderr == ""
    pairs = [line.partition(",") for line in done.stdout.splitlines()]
    return [(kind, value) for kind, _, value in pairs]


@pytest.mark.parametrize(
    ("words", "incomplete", "kinds"),
    [
        ("run", "pho", {"file"}),
        ("run a.jpg b.jpg", "c", {"file"}),
        ("run a.jpg b.jpg --plugin", "my", {"file"}),
        ("run a.jpg b.jpg --config", "r", {"file"}),
        ("resume", "d", {"dir"}),
    ],
)
def test_the_shell_completes_files(
    words: str, incomplete: str, kinds: set[str], tmp_path: Path
) -> None:
    assert set(completed(words, incomplete, tmp_path)) == {(kind, incomplete) for kind in kinds}


def test_the_shell_completes_names(tmp_path: Path) -> None:
    assert {value for _, value in completed("", "r", tmp_path)} == {
        name for name in COMMANDS if name.startswith("r")
    }
    assert completed("run --preset", "qu", tmp_path) == [("plain", "quick")]
    assert completed("run --precision", "bf", tmp_path) == [("plain", "bfloat16")]


def test_the_authors_path(invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = invoke("plugins", "new", "canvas", "mycanvas")
    assert done.status == 0
    assert "next: pip install ./impasto-mycanvas\n" in done.err
    assert (tmp_path / "impasto-mycanvas" / "pyproject.toml").is_file()
    code = tmp_path / "impasto-mycanvas" / "impasto_mycanvas.py"
    shown = invoke("plugins", "show", "mycanvas", "--plugin", code)
    assert shown.status == 0, shown.err
    assert shown.out.startswith("canvas mycanvas: ")


@pytest.mark.parametrize(
    ("plugin", "complaint"),
    [
        ("os", "plugin 'os' (module os) has no hook of Impasto;"),
        ("empty.py", "plugin 'empty' (file empty.py) has no hook of Impasto;"),
        (".", "plugin '.' is a folder; name its file ending in .py, or the module"),
        ("no/such", "plugin 'no/such' is neither a file ending in .py nor the name of a module"),
    ],
)
def test_plugins_that_are_none(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plugin: str, complaint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.py").write_text("x = 1\n")
    done = invoke("plugins", "--plugin", plugin)
    assert done.status == 1
    assert done.error.startswith(f"impasto: error: {complaint}")


def test_what_nobody_foresaw_is_called_a_bug(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other tests look for these words to tell such an error from one that is meant for the user."""

    def fails() -> None:
        raise RuntimeError("moon\nfull")

    monkeypatch.setattr("impasto.command.presets.described", fails)
    done = invoke("presets")
    assert done.status == 1
    assert done.err == (
        "impasto: error: bug in Impasto, please report it: RuntimeError: moon\\nfull;"
        " 'impasto --debug …' shows where\n"
    )
    assert "Traceback" in invoke("--debug", "presets").err
