"""The author's guide: every hook's live signature stands there, and its examples run."""

from __future__ import annotations

import inspect
import json
import re
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

import impasto.plugin
import impasto.testing
from helpers import Invoke, Outcome, Pair, refused
from impasto import hookspecs
from impasto.builtin import build_host

GUIDE = (Path(__file__).parents[2] / "plugins" / "README.md").read_text(encoding="utf-8")
TESTING = [
    name
    for name, thing in vars(impasto.testing).items()
    if inspect.isfunction(thing)
    and thing.__module__ == "impasto.testing"
    and not name.startswith(("_", "impasto_"))
]
HOOKS = [name for name in vars(hookspecs) if name.startswith("impasto_")]
BLOCKS = {
    name: (options, code)
    for code, name, options in re.findall(
        r"```python\n(# (\w+)\.py: ?([^\n]*)\n.*?)```", GUIDE, re.DOTALL
    )
}
EXAMPLES = {name: block for name, block in BLOCKS.items() if not name.startswith("test_")}
TESTS = {name: block for name, block in BLOCKS.items() if name.startswith("test_")}


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_a_section_with_its_live_signature(hook: str) -> None:
    signature = inspect.signature(getattr(hookspecs, hook))
    assert f"### `{hook}{signature}`\n".replace("'", "") in GUIDE


def test_the_guide_has_no_section_of_a_hook_that_is_not_there() -> None:
    assert sorted(re.findall(r"^### `(impasto_\w+)", GUIDE, re.MULTILINE)) == sorted(HOOKS)


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_an_example(hook: str) -> None:
    assert any(f"def {hook}(" in code for _, code in EXAMPLES.values())


def test_no_example_is_left_out() -> None:
    assert len(BLOCKS) == GUIDE.count("```python")


def done_with(name: str, steps: int, invoke: Invoke, pair: Pair, folder: Path) -> Outcome:
    """A run with an example, as its first line says; the picture is ``a.png``."""
    options, code = EXAMPLES[name]
    plugin = folder / f"{name}.py"
    plugin.write_text(code, encoding="utf-8")
    options = options if "--loss" in options else f"{options} --loss tv"
    return invoke("run", pair.content, pair.style, "-o", folder / "a.png", "--size", 32,
                  "--steps", steps, "--scales", "24", "--plugin", plugin, *options.split())  # fmt: skip


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_run(
    name: str, invoke: Invoke, pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = done_with(name, 4, invoke, pair, tmp_path)
    assert done.status == 0, done.err
    assert "left out" not in done.err
    said = done.out + done.err
    assert all(line in said for line in SAID.get(name, [])), said


SAID = {
    "patience": ["(stopped: out of patience)"],
    "sizes": ["begins at 24 × 18\nends after 4 steps\nbegins at 32"],
    "diary": ["done: loss"],
    "breath": ["breathed out, "],
    "gentle": ["times; last: after step 7 weight tv = "],
    "summary": [],
    "backwards": [],
    "slurm": [],
    "pan": [],
}
"""What examples print; the others change the picture, or refuse the run."""
CHANGES = [name for name, (options, _) in EXAMPLES.items() if options and name not in SAID]


@pytest.mark.parametrize("name", CHANGES)
def test_examples_that_offer_something_change_the_picture(
    name: str, invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    assert done_with(name, 4, invoke, pair, tmp_path).status == 0
    (tmp_path / "plain").mkdir()
    done = invoke("run", pair.content, pair.style, "-o", tmp_path / "plain" / "a.png", "--size", 32,
                  "--steps", 4, "--scales", "24", "--loss", "tv")  # fmt: skip
    assert done.status == 0
    mine, plain = (Image.open(one / "a.png").tobytes() for one in (tmp_path, tmp_path / "plain"))
    assert mine != plain


def test_the_example_that_refuses_a_run(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    done = done_with("polite", 9_999, invoke, pair, tmp_path)
    assert refused(done) == "polite: that would take all day"


def test_the_example_of_optical_flow_finds_how_far_the_camera_went(tmp_path: Path) -> None:
    (tmp_path / "pan.py").write_text(EXAMPLES["pan"][1], encoding="utf-8")
    host = build_host("none", [str(tmp_path / "pan.py")])
    flow = host.make("flow", impasto.Spec("pan"))
    assert isinstance(flow, impasto.Flow)
    picture = torch.rand(1, 3, 48, 64, generator=torch.Generator().manual_seed(0))
    found = flow.between(picture[..., 4:44, 4:60], picture[..., 6:46, 1:57])
    assert found.shape == (1, 2, 40, 56)
    assert found[0, :, 5, 9].tolist() == [3, -2]


SUBMITIT = """
import pickle, types

class UncompletedJobError(RuntimeError):
    pass

core = types.SimpleNamespace(utils=types.SimpleNamespace(UncompletedJobError=UncompletedJobError))
lost = ["the first job is lost"]

class Job:
    def __init__(self, function, task):
        self.function, self.task, self.cancelled = function, pickle.dumps(task), False
    def result(self):
        if lost:
            raise UncompletedJobError(f"{lost.pop()}\\nand more about it")
        return pickle.loads(pickle.dumps(self.function(pickle.loads(self.task))))
    def cancel(self):
        self.cancelled = True

class AutoExecutor:
    def __init__(self, folder): ...
    def update_parameters(self, slurm_partition, timeout_min): ...
    def submit(self, function, *arguments):
        return Job(function, *arguments)
"""
"""What of submitit 1.5 the example uses, in this process."""


def test_the_example_of_slurm_paints_a_batch(
    invoke: Invoke, pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "submitit", raising=False)
    Path("submitit.py").write_text(SUBMITIT, encoding="utf-8")
    Path("slurm.py").write_text(EXAMPLES["slurm"][1], encoding="utf-8")
    Path("jobs.csv").write_text("".join(
        f"{row}\n" for row in ("content,style,output", f"{pair.content},{pair.style},0.png",
                               f"{pair.content},{pair.style},1.png")
    ))  # fmt: skip
    given = ("batch", "jobs.csv", "--folder", "r", "--plugin", "slurm.py", "--executor",
             "slurm:minutes=5", "--size", 32, "--steps", 2, "--loss", "tv", "--json")  # fmt: skip
    done = invoke(*given)
    assert done.status == 0, done.err
    assert "0.png (row 1): the first job is lost" in done.err
    ends = [json.loads(line) for line in done.out.splitlines()]
    assert [(one["output"], one["status"]) for one in ends] == [
        ("0.png", "waiting"), ("1.png", "done"), ("0.png", "done"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", TESTS)
def test_the_tests_in_the_guide_pass(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = name.removeprefix("test_")
    (tmp_path / f"{plugin}.py").write_text(EXAMPLES[plugin][1], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, plugin, raising=False)
    names: dict[str, object] = {}
    exec(TESTS[name][1], names)
    tests = [one for key, one in names.items() if key.startswith("test_") and callable(one)]
    assert len(tests) == 3
    for test in tests:
        test()


@pytest.mark.parametrize("name", impasto.plugin.__all__)
def test_every_name_of_the_tools_is_in_the_guide(name: str) -> None:
    assert re.search(rf"`{name}[`(]", GUIDE)


@pytest.mark.parametrize("name", [*TESTING, "TinyExtractor"])
def test_every_name_for_tests_is_in_the_guide(name: str) -> None:
    assert re.search(rf"`{name}[`(]", GUIDE)
