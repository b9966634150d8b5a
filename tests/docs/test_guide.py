"""The author's guide: every hook's live signature stands there, and its examples run."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from helpers import Invoke, Pair
from impasto import hookspecs

GUIDE = (Path(__file__).parents[2] / "plugins" / "README.md").read_text(encoding="utf-8")
HOOKS = [name for name in vars(hookspecs) if name.startswith("impasto_")]
EXAMPLES = {
    name: (options, code)
    for code, name, options in re.findall(
        r"```python\n(# (\w+)\.py: ?([^\n]*)\n.*?)```", GUIDE, re.DOTALL
    )
}


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_a_section_with_its_live_signature(hook: str) -> None:
    signature = inspect.signature(getattr(hookspecs, hook))
    assert f"### `{hook}{signature}`\n".replace("'", "") in GUIDE


def test_the_guide_has_no_section_of_a_hook_that_is_not_there() -> None:
    assert sorted(re.findall(r"^### `(impasto_\w+)", GUIDE, re.MULTILINE)) == sorted(HOOKS)


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_a_test_and_an_example(hook: str) -> None:
    tests = [
        path for path in Path(__file__).parents[1].rglob("test_*.py") if path != Path(__file__)
    ]
    assert any(re.search(rf"def {hook}\b", path.read_text(encoding="utf-8")) for path in tests)
    assert any(f"def {hook}(" in code for _, code in EXAMPLES.values())


def test_no_example_is_left_out() -> None:
    assert len(EXAMPLES) == GUIDE.count("```python")


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_run(name: str, invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    options, code = EXAMPLES[name]
    plugin = tmp_path / f"{name}.py"
    plugin.write_text(code, encoding="utf-8")
    options = options if "--loss" in options else f"{options} --loss tv"
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "a.png", "--size", 32, "--steps", 4,
                  "--scales", "24", "--plugin", plugin, *options.split())  # fmt: skip
    assert done.status == 0, done.err
    assert "left out" not in done.err
    said = {"patience": "(stopped: out of patience)", "sizes": "", "diary": ""}
    assert said.get(name, "") in done.err
    printed = {
        "sizes": "begins at 24 × 18\nends after 4 steps\nbegins at 32",
        "diary": "done: loss",
    }
    assert printed.get(name, "") in done.out
