"""The page of a comparison."""

from __future__ import annotations

from pathlib import Path

from pydantic import TypeAdapter

from impasto.files.outputs import Outputs
from impasto.settings.plain_json import to_json
from impasto_profiling.comparison import Comparison
from impasto_profiling.page.document import document

PAGE = "comparison.html"
FILE = "comparison.json"


def claim_comparison(folder: Path, outputs: Outputs) -> None:
    """Make the folder, and refuse files that may not be replaced before anything is painted.

    Raises:
        OutputError: the folder cannot be made, or has a comparison already.
    """
    outputs.claim_folder(folder, "folder of the comparison")
    for name in (PAGE, FILE):
        outputs.claim(folder / name, "comparison")


def write_comparison(comparison: Comparison, folder: Path, outputs: Outputs) -> None:
    """Write the page and the figures into the folder."""
    record = TypeAdapter(Comparison).dump_python(comparison)
    title = f"{comparison.second} against {comparison.first}"
    with outputs.writing(folder / PAGE) as part:
        part.write_text(document(title, record, ("comparison.js",)), encoding="utf-8")
    with outputs.writing(folder / FILE) as part:
        part.write_text(to_json(record, indent=2) + "\n", encoding="utf-8")
