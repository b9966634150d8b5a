"""The page of a profile: ``report.html`` in its folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter

from impasto.files.outputs import Outputs
from impasto_profiling.memory import Curve, curve_of, highest_step_of
from impasto_profiling.page.document import document
from impasto_profiling.recording import Recording
from impasto_profiling.report import Report
from impasto_profiling.timeline import Timeline, timeline_of, usual_step_of
from impasto_profiling.trace import read_trace

FILE = "report.html"
SCRIPTS = ("parts.js", "timeline.js", "roofline.js", "memory.js", "profile.js")


def write_page(
    report: Report, recordings: Sequence[Recording], folder: Path, outputs: Outputs
) -> None:
    """Write the page into the folder.

    Args:
        report: with one recorded stage or more; with none nothing is written.
        recordings: of its stages, whose traces are read again for what is drawn of single steps.
        folder: of the profile.
        outputs: of the run.
    """
    if not report.stages:
        return
    drawn = [_drawn(recording) for recording in recordings if recording.traces]
    data = {"report": TypeAdapter(Report).dump_python(report), "drawn": drawn}
    with outputs.writing(folder / FILE) as part:
        part.write_text(document(f"Profile {report.name}", data, SCRIPTS), encoding="utf-8")


def _drawn(recording: Recording) -> dict[str, object]:
    """Timeline and memory of one step of the first repeat."""
    trace = read_trace(recording.traces[0])
    curve = curve_of(trace, highest_step_of(trace))
    line = timeline_of(trace, usual_step_of(trace))
    return {
        "timeline": TypeAdapter(Timeline).dump_python(line),
        "curve": curve and TypeAdapter(Curve).dump_python(curve),
    }
