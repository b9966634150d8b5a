"""The rooms of the engine: imports go down only, and nothing imports itself by way of others."""

from __future__ import annotations

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ENGINE = Path(__file__).parents[1] / "engine" / "impasto"
ORDER = (
    "errors", "files", "settings", "images", "model", "host", "storage", "optimization", "hookspecs",
    "plugin", "builtin", "jobs", "api", "testing", "command", "__main__",
)  # fmt: skip
"""From the lowest to the highest; a room imports itself and what stands before it."""
OUTSIDE = ("demo",)
"""Files that anybody may use, and that use the package by its front door."""

Modules = dict[str, Path]
Imports = dict[str, set[str]]


def modules_of(package: Path) -> Modules:
    """The modules of a package by their full names."""
    found: Modules = {}
    for path in sorted(package.rglob("*.py")):
        parts = (package.name, *path.relative_to(package).with_suffix("").parts)
        found[".".join(parts).removesuffix(".__init__")] = path
    return found


def imports_of(modules: Modules) -> Imports:
    """What each module imports of the others, inside functions and for types only included."""
    return {
        name: {found for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
               for found in named_by(node, name, path) if found in modules} - {name}
        for name, path in modules.items()
    }  # fmt: skip


def named_by(node: ast.AST, module: str, path: Path) -> list[str]:
    """Full names that an import statement mentions: modules, and what may be modules in them."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    parents = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
    start = ".".join([*parents, *([node.module] if node.module else [])])
    inside = [f"{start}.{alias.name}" for alias in node.names]
    # ``from impasto.model import loss`` imports the module; the room's own file says nothing.
    return [start, *inside]


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def imports_upward(imports: Imports) -> list[str]:
    """Each import of a higher room by a lower one. Anybody may import the package itself."""
    ranks = {name: rank for rank, name in enumerate(ORDER)}
    return [
        f"{module} imports {other}"
        for module, others in imports.items()
        for other in sorted(others)
        if room_of(module) in ranks and ranks.get(room_of(other), -1) > ranks[room_of(module)]
    ]


def circle_of(imports: Imports) -> list[str] | None:
    """Modules of which each imports the next, and the last the first; None if there are none."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found
    return None


def without_front_door(imports: Imports) -> Imports:
    """Imports but those of and by the package itself, whose names are looked up when they are used."""
    return {
        module: {other for other in others if "." in other}
        for module, others in imports.items()
        if "." in module
    }


@pytest.fixture(scope="module")
def imports() -> Imports:
    return imports_of(modules_of(ENGINE))


def test_every_room_has_its_place(imports: Imports) -> None:
    assert {room_of(module) for module in imports} - {"__init__"} == {*ORDER, *OUTSIDE}


def test_imports_go_down(imports: Imports) -> None:
    assert imports_upward(imports) == []


def test_the_map_of_the_engine_has_the_rooms_in_their_order() -> None:
    page = (ENGINE.parent / "README.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert table == [room for room in reversed(ORDER) if room != "__main__"]


def test_no_modules_import_each_other_in_a_circle(imports: Imports) -> None:
    assert circle_of(without_front_door(imports)) is None


def test_a_rooms_own_file_holds_its_sentence_only() -> None:
    rooms = [path for path in ENGINE.glob("*/__init__.py") if path.parent.name not in OUTSIDE]
    assert len(rooms) == 10
    for path in rooms:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert ast.get_docstring(tree), path
        assert len(tree.body) == 1, path


def made(folder: Path, files: dict[str, str]) -> Imports:
    for name, text in files.items():
        path = folder / "impasto" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return imports_of(modules_of(folder / "impasto"))


@pytest.mark.parametrize(
    "line",
    [
        "import impasto.model.loss",
        "from impasto.model.loss import Loss",
        "from impasto.model import loss",
        "from impasto import model",
        "from ..model import loss",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from impasto.model.loss import Loss",
        "def late():\n    from impasto.model.loss import Loss",
    ],
)
def test_each_form_of_an_import_upward_is_found(tmp_path: Path, line: str) -> None:
    found = made(tmp_path, {
        "__init__.py": "", "model/__init__.py": "", "model/loss.py": "",
        "images/__init__.py": "", "images/reading.py": line,
    })  # fmt: skip
    upward = imports_upward(found)
    assert upward
    assert all(text.startswith("impasto.images.reading imports impasto.model") for text in upward)


def test_a_circle_is_found(tmp_path: Path) -> None:
    found = made(tmp_path, {
        "__init__.py": "", "model/a.py": "from impasto.model import b",
        "model/b.py": "import impasto.model.c", "model/c.py": "def f():\n    from .a import x",
    })  # fmt: skip
    assert set(circle_of(without_front_door(found)) or ()) == {
        f"impasto.model.{name}" for name in "abc"
    }
