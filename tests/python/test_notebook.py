"""The notebook: kept without outputs, and it runs from the first cell to the profile of its own loss."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

import impasto

NOTEBOOK = Path(__file__).parents[2] / "plugins" / "gallery" / "swap_parts.ipynb"
PUBLIC = {"impasto", "impasto.plugin", "impasto.testing"}


@pytest.fixture
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jupyter writes its files in the test's folder."""
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))


def executed(notebook: Any, folder: Path) -> list[Any]:
    """The outputs of all cells with code, in their order."""
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(folder)}}).execute()
    return [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]


def shown(outputs: list[Any], kind: str) -> str:
    """What the outputs of one cell show of a kind."""
    return "".join(one.data.get(kind, "") for one in outputs if "data" in one)


def test_the_notebook_is_kept_without_outputs_and_uses_the_public_door() -> None:
    notebook = nbformat.read(NOTEBOOK, 4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    text = "\n".join(cell.source for cell in code)
    assert {*re.findall(r"^(?:from|import) (impasto[\w.]*)", text, re.MULTILINE)} == PUBLIC
    names = {*re.findall(r"\bimpasto\.(\w+)", text)} - {"plugin", "testing"}
    assert names <= {*impasto.__all__}
    for part in ("Means(weight=3)", "extractor=Blurred()", "Signs(", "canvas=Tiled", "Enough("):
        assert part in text


@pytest.mark.slow
@pytest.mark.usefixtures("own_folders")
def test_the_notebook_runs_to_the_profile_of_its_loss(tmp_path: Path) -> None:
    outputs = executed(nbformat.read(NOTEBOOK, 4), tmp_path)
    results = [shown(cell, "text/html") for cell in outputs if "<img" in shown(cell, "text/html")]
    assert len(results) >= 8
    assert all("64 × 48 pixels" in result for result in results)
    assert any("(stopped: good enough)" in result for result in results)
    assert shown(outputs[-2], "image/png")
    assert "name='loss/Means'" in shown(outputs[-1], "text/plain")
    assert list(tmp_path.glob("*.png")) == []


@pytest.mark.slow
@pytest.mark.usefixtures("own_folders")
def test_show_in_a_notebook_is_below_the_cell(tmp_path: Path) -> None:
    code = 'import impasto.testing\nimpasto.testing.run(steps=1).show()\nprint("end")'
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    (outputs,) = executed(notebook, tmp_path)
    assert "32 × 32 pixels, 1 step" in shown(outputs, "text/html")
    assert "end" in outputs[-1].text
