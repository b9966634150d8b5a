"""Impasto: a plugin-based engine for neural style transfer.

``impasto.run(content, style)`` paints a picture. A plugin needs only ``import impasto``.
Importing this package is fast; torch is imported when something that needs it is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from impasto.hookspecs import Offer, hookimpl

if TYPE_CHECKING:
    from impasto.api import Interrupted, RunFailed, resume, run
    from impasto.canvas import Canvas
    from impasto.errors import (
        CheckpointError,
        ImpastoError,
        PictureError,
        PluginError,
        SettingsError,
    )
    from impasto.extractor import Extractor, Features
    from impasto.learning import learn
    from impasto.loss import Fade, Layers, LayerWeights, Loss, Summary, Weight
    from impasto.settings import Settings
    from impasto.spec import Spec
    from impasto.state import Result, Run, Stage, Step
    from impasto.style import Style

__version__ = "0.1.0"

_HOME = {
    "impasto.api": ("Interrupted", "RunFailed", "resume", "run"),
    "impasto.canvas": ("Canvas",),
    "impasto.errors": (
        "CheckpointError",
        "ImpastoError",
        "PictureError",
        "PluginError",
        "SettingsError",
    ),
    "impasto.extractor": ("Extractor", "Features"),
    "impasto.learning": ("learn",),
    "impasto.loss": ("Fade", "LayerWeights", "Layers", "Loss", "Summary", "Weight"),
    "impasto.state": ("Result", "Run", "Stage", "Step"),
    "impasto.settings": ("Settings",),
    "impasto.spec": ("Spec",),
    "impasto.style": ("Style",),
}

__all__ = [
    "Canvas",
    "CheckpointError",
    "Extractor",
    "Fade",
    "Features",
    "ImpastoError",
    "Interrupted",
    "LayerWeights",
    "Layers",
    "Loss",
    "Offer",
    "PictureError",
    "PluginError",
    "Result",
    "Run",
    "RunFailed",
    "Settings",
    "SettingsError",
    "Spec",
    "Stage",
    "Step",
    "Style",
    "Summary",
    "Weight",
    "hookimpl",
    "learn",
    "resume",
    "run",
]


def __getattr__(name: str) -> object:
    for home, names in _HOME.items():
        if name in names:
            value = getattr(importlib.import_module(home), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module 'impasto' has no attribute '{name}'")
