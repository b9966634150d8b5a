"""README and reference: the help is the live one, the examples run, what they name is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from helpers import Invoke, Pair
from impasto.command.main import group

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "engine" / "REFERENCE.md"
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / name for name in (
    "README.md", "engine/README.md", "engine/REFERENCE.md", "engine/PYTHON.md", "plugins/README.md",
    "profiling/README.md",
)]  # fmt: skip


def long_help() -> str:
    shown = CliRunner().invoke(
        group, ["run", "--help-all"], prog_name="impasto", terminal_width=100
    )
    assert shown.exit_code == 0
    return shown.output


def test_help_in_the_reference_is_the_live_one() -> None:
    """After a change: ``python tests/docs/test_readme.py`` writes it anew."""
    assert f"```\n{long_help()}```" in REFERENCE.read_text(encoding="utf-8")


def test_the_help_shows_no_default_where_something_must_be_given() -> None:
    (style,) = re.findall(r"  --style STYLE.*?(?=\n  -)", long_help(), flags=re.DOTALL)
    assert style.endswith("May be given several times.")
    assert "Undefined" not in long_help()
    assert "MISSING" not in long_help()


def test_the_front_page_is_short() -> None:
    assert len(README.splitlines()) <= 150


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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name + "/" + page.name)
def test_pictures_pages_and_files_that_are_named_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = [one for one in re.findall(r"\]\(([^)#]+)\)", text) if not one.startswith("http")]
    files = re.findall(r"`((?:engine|plugins|profiling|tests)/[\w/.]+\.\w+)`", text)
    for path in [*(page.parent / one for one in links), *(ROOT / one for one in files)]:
        assert path.exists(), path


def write_help() -> None:
    """Put the live help into the reference."""
    text = REFERENCE.read_text(encoding="utf-8")
    new = re.sub(
        r"```\n(?:Usage: |<<HELP>>).*?```",
        lambda _: f"```\n{long_help()}```",
        text,
        flags=re.DOTALL,
    )
    REFERENCE.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    write_help()
