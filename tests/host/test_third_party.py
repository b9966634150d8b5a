"""A third party's plugin, from ``impasto plugins new`` to a run, installed with pip for real."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from helpers import Invoke, Pair
from impasto import hookspecs
from impasto.host import host

# Each takes ten seconds, most of them to install.
SLOW = pytest.mark.slow
OTHERS = ("extractor", "optimizer", "canvas", "callback")
KINDS = ["loss", *(pytest.param(kind, marks=SLOW) for kind in OTHERS)]


class Environment:
    """A fresh virtual environment that sees the packages of this one, and nothing it has installed."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False)
        self.python = folder / "bin" / "python"
        # addsitedir, unlike a plain path, also follows the editable installations that lie there.
        lines = [f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})"]
        lines += [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
        site = next((folder / "lib").glob("python*")) / "site-packages"
        (site / "outer.pth").write_text("\n".join(lines), encoding="utf-8")

    def run(self, *arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        command = [str(self.python), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)

    def install(self, package: Path) -> None:
        """With pip, from the folder, without an index."""
        done = subprocess.run(
            [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", self.python,
             "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation",
             "--force-reinstall", package],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def impasto(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        return self.run("-m", "impasto", *arguments)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(tmp_path_factory.mktemp("fresh") / "venv")


@pytest.mark.parametrize("kind", KINDS)
def test_what_new_writes_installs_shows_up_runs_and_passes_its_test(
    kind: str, environment: Environment, invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    name, folder = f"my-{kind}", tmp_path / "package"
    done = invoke("plugins", "new", kind, name, "-o", folder)
    assert done.status == 0, done.err
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md", f"impasto_my_{kind}.py", "pyproject.toml", f"test_impasto_my_{kind}.py",
    ]  # fmt: skip
    environment.install(folder)
    records = json.loads(environment.impasto("plugins", "show", name, "--json").stdout)
    assert [(one["kind"], one["origin"], one["status"]) for one in records] == [
        (kind, f"impasto-my-{kind} 0.1.0", "loaded")
    ]
    tested = environment.run("-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=folder)
    assert tested.returncode == 0, tested.stdout
    assert f"{4 if kind == 'loss' else 2} passed" in tested.stdout
    (line,) = [one for one in (folder / "README.md").read_text().splitlines() if " run " in one]
    options = line.split("painting.jpg ")[1].split()
    ran = environment.impasto(
        "run", pair.content, pair.style, "-o", tmp_path / "a.png", "--size", 32, "--steps", 1,
        "--scales", "single", *options,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "a.png").is_file()


def without_place(text: str) -> str:
    """A line of text without the line of the plugin's file, which tests/host/test_authors.py looks at."""
    return re.sub(r" \([^()]*impasto_mine\.py:\d+\)", "", text)


def broken(folder: Path, old: str, new: str) -> None:
    (path,) = folder.glob("impasto_*.py")
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


HOOKS = sorted(name for name in vars(hookspecs) if name.startswith("impasto_"))

WAYS = {
    "import error": (
        "loss", "import impasto\n", "import impasto\nimport no_such_module\n", "plugins",
        "plugin 'impasto_mine' (impasto-mine 0.1.0): ModuleNotFoundError: No module named 'no_such_module'",
    ),
    "misspelt hook": (
        "loss", "def impasto_losses", "def impasto_loses", "plugins",
        "plugin 'impasto_mine' (impasto-mine 0.1.0): unknown hook 'impasto_loses';"
        f" did you mean 'impasto_losses'? Allowed: {', '.join(HOOKS)}",
    ),
    "wrong signature": (
        "callback", "impasto_after_step(self, step:", "impasto_after_step(self, steps:", "run",
        "impasto: error: plugin 'mine' (impasto-mine 0.1.0): Plugin 'mine' for hook 'impasto_after_step'"
        " hookimpl definition: impasto_after_step(steps: 'impasto.Step') -> 'None' Argument(s)"
        " {'steps'} are declared in the hookimpl but can not be found in the hookspec",
    ),
    "raises where it offers": (
        "loss", "return [impasto.Offer", "raise OSError('moon')\n    return [impasto.Offer", "plugins",
        "plugin 'impasto_mine' (impasto-mine 0.1.0) failed in impasto_losses: OSError: moon",
    ),
    "name of a built-in": (
        "loss", 'Offer("mine"', 'Offer("tv"', "tv",
        "impasto: error: two plugins offer the loss 'tv': built in and"
        " 'impasto_mine' (impasto-mine 0.1.0); leave one out",
    ),
    "a loss that fails": (
        "loss", "mine, wanted =", "raise OSError('moon')\n        mine, wanted =", "run",
        "impasto: error: loss 'mine' of plugin 'impasto_mine' (impasto-mine 0.1.0) failed: OSError: moon;"
        " no step was done, nothing is written",
    ),
    "an optimizer that fails": (
        "optimizer", "return loss", "raise OSError('moon')", "run",
        "impasto: error: optimizer 'mine' of plugin 'impasto_mine' (impasto-mine 0.1.0) failed:"
        " OSError: moon; no step was done, nothing is written",
    ),
    "an observer that fails": (
        "callback", 'print(f"', 'raise OSError("moon")\n            print(f"', "observer",
        "impasto: warning: plugin 'mine' (impasto-mine 0.1.0) failed in impasto_after_step and is left"
        " out: OSError: moon",
    ),
}  # fmt: skip
"""Kind, what is replaced, by what, what is run then, and what is said."""

AS = {
    "loss": ["--loss", "mine"],
    "optimizer": ["--optimizer", "mine", "--loss", "tv"],
    "callback": ["--callback", "mine", "--loss", "tv"],
}


@SLOW
@pytest.mark.parametrize("way", WAYS)
def test_a_third_party_plugin_broken_in_each_way(
    way: str, environment: Environment, invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    kind, old, new, then, wanted = WAYS[way]
    folder = tmp_path / "package"
    assert invoke("plugins", "new", kind, "mine", "-o", folder).status == 0
    broken(folder, old, new)
    environment.install(folder)
    run = ["run", pair.content, pair.style, "-o", tmp_path / "a.png", "--size", 32, "--steps", 2,
           "--scales", "single", "--quiet"]  # fmt: skip
    listed = environment.impasto("plugins", "--json")
    assert listed.returncode == 0
    if then == "plugins":
        (mine,) = [one for one in json.loads(listed.stdout) if one["name"] == "impasto_mine"]
        assert without_place(mine["status"]) == f"failed: {wanted}"
        assert environment.impasto(*run, "--loss", "tv").returncode == 0
        return
    done = environment.impasto(*run, *(["--loss", "tv"] if then == "tv" else AS[kind]))
    if then == "observer":
        assert done.returncode == 0
        assert without_place(done.stderr).count(wanted) == 1
        assert (tmp_path / "a.png").is_file()
    else:
        assert done.returncode == 1
        assert without_place(done.stderr.strip().splitlines()[-1]) == wanted


FAILS_ANYWHERE = '''
import impasto


def failing(hook):
    def fails(self, run):
        if self.hook == hook:
            raise OSError("moon")
    fails.__name__ = hook
    return impasto.hookimpl(fails)


class Mine:
    """Raise in one hook, and stumble on purpose where a run has to fail."""

    def __init__(self, hook: str) -> None:
        self.hook = hook


HOOKS = [
    "impasto_before_run", "impasto_before_stage", "impasto_after_step", "impasto_after_stage",
    "impasto_after_run", "impasto_run_failed",
]
for hook in HOOKS:
    setattr(Mine, hook, failing(hook))


class Stumbles(impasto.Loss):
    """A loss that fails."""

    def summarize_layer(self, feature):
        raise ZeroDivisionError("no more")


@impasto.hookimpl
def impasto_callbacks():
    return [impasto.Offer("mine", Mine)]


@impasto.hookimpl
def impasto_losses():
    return [impasto.Offer("stumbles", Stumbles)]
'''


@SLOW
def test_an_installed_observer_that_raises_at_each_hook(
    environment: Environment, invoke: Invoke, pair: Pair, tmp_path: Path
) -> None:
    folder, out = tmp_path / "package", tmp_path / "a.png"
    assert invoke("plugins", "new", "callback", "mine", "-o", folder).status == 0
    (folder / "impasto_mine.py").write_text(FAILS_ANYWHERE, encoding="utf-8")
    environment.install(folder)
    hooks = [
        name
        for name in vars(hookspecs)
        # Nobody pauses this run.
        if name.startswith("impasto_")
        and name not in (*host.KINDS.values(), "impasto_while_paused")
    ]
    assert len(hooks) == 6
    for hook in hooks:
        fails = hook == "impasto_run_failed"
        done = environment.impasto(
            "run", pair.content, pair.style, "-o", out, "--force", "--size", 32, "--steps", 2,
            "--scales", "single", "--quiet", "--callback", f"mine:hook={hook}",
            "--loss", "stumbles" if fails else "tv",
        )  # fmt: skip
        lines = without_place(done.stderr).strip().splitlines()
        assert (
            lines.count(
                f"impasto: warning: plugin 'mine' (impasto-mine 0.1.0) failed in {hook} and is left out:"
                " OSError: moon"
            )
            == 1
        ), done.stderr
        assert done.returncode == (1 if fails else 0)
        if fails:
            assert lines[-1].startswith(
                "impasto: error: loss 'stumbles' of plugin 'impasto_mine' (impasto-mine 0.1.0) failed"
            )
        else:
            assert out.is_file()
            out.unlink()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["los", "mine"], "unknown kind 'los'; did you mean 'loss'?"),
        (["loss", "Mine"], "name 'Mine' is not allowed: begin with a letter"),
        (["loss", "gram"], "the loss 'gram' exists already: built in"),
        (["loss", "mine", "-o", "."], "folder '.' cannot be made: File exists"),
    ],
)
def test_what_new_refuses(arguments: list[str], complaint: str, invoke: Invoke) -> None:
    done = invoke("plugins", "new", *arguments)
    assert done.status == 1
    assert complaint in done.error
