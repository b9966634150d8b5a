"""What the page may ask of a run while it paints, and what it shows of that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import impasto
from impasto.plugin import result_so_far, scratch_folder, unknown

FORMATS = {
    "PNG": (".png", "image/png", 8),
    "JPEG": (".jpg", "image/jpeg", 8),
    "TIFF": (".tiff", "image/tiff", 16),
}
"""Each with suffix, media type, and bits of a channel."""

STEERING: Mapping[str, Callable[[impasto.Run, Mapping[str, Any]], object]] = {
    "pause": lambda run, asked: run.pause(),
    "go_on": lambda run, asked: run.go_on(),
    "one_step": lambda run, asked: run.one_step(),
    "finish_stage": lambda run, asked: run.finish_stage(),
    "stop": lambda run, asked: run.stop("on the page"),
    "weight": lambda run, asked: run.set_weight(asked.get("term"), asked.get("value")),  # type: ignore[arg-type]
    "style": lambda run, asked: run.set_style_weight(asked.get("number"), asked.get("value")),  # type: ignore[arg-type]
    "rewind": lambda run, asked: run.rewind(asked.get("step")),  # type: ignore[arg-type]
}
"""Each command and what it does; the run itself refuses what it cannot do, in one line."""


def steer(run: impasto.Run, asked: Mapping[str, Any]) -> None:
    """Do what a command asks of a run.

    Raises:
        SettingsError: there is no such command, or the run cannot do it.
    """
    name = asked["do"]
    if name not in STEERING:
        raise impasto.SettingsError(unknown("command", str(name), [*STEERING, "save"]))
    STEERING[name](run, asked)


def steering_of(run: impasto.Run) -> dict[str, Any]:
    """What the page shows of how a run is steered; of one that cannot be, why."""
    if run.cannot_be_steered and not run.stopping:
        return {"weights": None, "cannot": run.cannot_be_steered}
    return {
        "paused": run.paused,
        "weights": run.weights,
        "style_weights": run.style_weights,
        "snapshots": list(run.snapshots),
        "changes": [str(change) for change in run.changes],
        "steps": run.total_steps,
        "stopping": run.stopping,
    }


def saved(run: impasto.Run, name: object) -> dict[str, Any]:
    """The picture so far as a file, recipe inside; between two steps.

    Args:
        run: whose picture.
        name: of the format.

    Raises:
        ImpastoError: there is no such format, or it cannot hold the picture.
    """
    if name not in FORMATS:
        raise impasto.SettingsError(unknown("format", str(name), FORMATS))
    suffix, kind, depth = FORMATS[str(name)]
    folder = scratch_folder()
    path = folder / f"picture{suffix}"
    try:
        result_so_far(run).save(path, depth=depth)
        data = path.read_bytes()
    finally:
        path.unlink(missing_ok=True)
        folder.rmdir()
    stem = Path(str(run.settings.output or "painting")).stem
    return {"data": data, "type": kind, "name": f"{stem}_step{run.step}{suffix}"}
