"""The engine's settings in races for time: what reaches a loss soonest, as far as is known."""

from __future__ import annotations

FASTEST: dict[str, object] = {
    "optimizer": "lbfgs",
    "canvas": "pixels",
    "scales": "single",
    "precision": "auto",
    "compile": "auto",
}
