"""The README: its help is the live one, its example runs, its pictures are there."""

from __future__ import annotations

import re
from pathlib import Path

from click.testing import CliRunner

from helpers import Invoke, Pair
from impasto.command.main import group

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_help_in_the_readme_is_the_live_one() -> None:
    shown = CliRunner().invoke(group, ["run", "--help"], prog_name="impasto", terminal_width=100)
    assert shown.exit_code == 0
    assert shown.output in README


def test_the_help_shows_no_default_where_something_must_be_given() -> None:
    shown = CliRunner().invoke(group, ["run", "--help"], prog_name="impasto", terminal_width=100)
    (style,) = re.findall(r"  --style STYLE.*?(?=\n  -)", shown.output, flags=re.DOTALL)
    assert style.endswith("may be given several times.")
    assert "Undefined" not in shown.output
    assert "MISSING" not in shown.output


def test_first_callback_runs(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(# report\.py.*?)```", README, flags=re.DOTALL)
    plugin = tmp_path / "report.py"
    plugin.write_text(code, encoding="utf-8")
    done = invoke(
        "run", pair.content, pair.style, "-o", tmp_path / "out.png", "--size", 32, "--steps", 6,
        "--loss", "tv", "--plugin", plugin, "--callback", "report:every=2,enough=1000",
    )  # fmt: skip
    assert done.status == 0, done.err
    assert done.out.startswith("2 0.")
    assert "(stopped: low enough)" in done.err


def test_python_example_runs(pair: Pair, tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(import impasto\n\nresult.*?)```", README, flags=re.DOTALL)
    code = code.replace('"photo.jpg"', repr(str(pair.content)))
    code = code.replace('"painting.jpg"', repr(str(pair.style))).replace("size=256", "size=32")
    code = code.replace("print(", "shown = (").replace('"out.png"', repr(str(tmp_path / "o.png")))
    exec(compile(code.replace("size=32", "size=32, steps=1"), "README.md", "exec"), {})
    assert (tmp_path / "o.png").is_file()


def test_toml_example_is_valid(tmp_path: Path) -> None:
    from impasto.settings.settings import gather

    (text,) = re.findall(r"```toml\n(.*?)```", README, flags=re.DOTALL)
    path = tmp_path / "run.toml"
    path.write_text(text, encoding="utf-8")
    settings = gather({"content": "a", "style": "b"}, None, str(path))
    assert settings.size == 768
    assert settings.loss[1].options["weight"] == 300


def test_pictures_and_files_named_in_the_readme_exist() -> None:
    named = re.findall(r"\]\(([^)]+)\)", README) + re.findall(r"`(engine/[\w/.]+)`", README)
    assert len(named) >= 4
    for path in named:
        assert (ROOT / path).exists(), path
