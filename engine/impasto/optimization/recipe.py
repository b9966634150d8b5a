"""The recipe of a result: what it was made from and how, as it is written into the picture."""

from __future__ import annotations

import math
from typing import Any

from impasto.optimization.provenance import machine_of, versions
from impasto.optimization.result import Result
from impasto.optimization.state import Run
from impasto.settings.settings import Settings
from impasto.storage.recipe import FORMAT

NOT_IN_RECIPES = (
    "output",
    "force",
    "checkpoint",
    "checkpoint_every",
    "callback",
    "keys",
    "recipe",
    "trust",
)
"""Settings that do not change the picture: a recipe leaves them out."""

WATCHING = ("progress", "keys", "page")
"""Callbacks that show a run and write nothing: a picture has the same bytes whoever watched."""


def recipe_of(run: Run, result: Result) -> dict[str, Any]:
    """The recipe of a result, as a table of what JSON can hold."""
    table = run.settings.as_table()
    return {
        "format": FORMAT,
        "settings": {key: table[key] for key in table if key not in NOT_IN_RECIPES},
        "callbacks": [str(spec) for spec in run.settings.callback if spec.name not in WATCHING],
        **not_again(run.settings),
        "inputs": dict(run.prepared.checksums),
        "weights": result.weights,
        "network": run.prepared.network_checksum,
        "versions": versions(),
        "machine": machine_of(run.prepared),
        "steps": result.steps,
        "stopped": result.stopped,
        **({"stage": run.current.stage.number} if result.stopped and run.current else {}),
        **changes_of(result),
        "loss": {"first": _finite(result.losses[:1]), "last": _finite(result.losses[-1:])},
        "terms": {name: _finite([value]) for name, value in result.terms.items()},
    }


def changes_of(result: Result) -> dict[str, Any]:
    """The changes that were made while it was painted; nothing where there were none."""
    changes = [change.as_list() for change in result.changes]
    return {"changes": changes} if changes else {}


def not_again(settings: Settings) -> dict[str, str]:
    """What a recipe says of objects that were given in Python; nothing where there were none."""
    made = [f"{kind} '{spec.name}'" for kind, spec in settings.objects() if kind != "callback"]
    if not made:
        return {}
    return {"rerun": f"not possible: given as an object of Python: {', '.join(made)}"}


def _finite(values: list[float]) -> float | None:
    return values[0] if values and math.isfinite(values[0]) else None
