"""Impasto: a plugin-based engine for neural style transfer.

``impasto.run(content, style)`` paints a picture. A plugin needs only ``import impasto``.
Importing this package is fast; torch is imported when something that needs it is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from impasto.host.offer import Offer, hookimpl

if TYPE_CHECKING:
    from impasto.api.functions import check, compare, estimate, learn, plugins, profile, sweep
    from impasto.api.run import run, steps, texture
    from impasto.api.video import video
    from impasto.errors import (
        CheckpointError,
        ImpastoError,
        OutputError,
        PictureError,
        PluginError,
        SettingsError,
    )
    from impasto.jobs.compare import Score
    from impasto.jobs.estimate import Estimate
    from impasto.jobs.keywords import RunKeywords
    from impasto.jobs.pieces import features, make, read_image
    from impasto.jobs.rerun import rerun
    from impasto.jobs.resume import resume
    from impasto.jobs.staging import StagedTask, StagedWorker
    from impasto.jobs.steps import Steps
    from impasto.jobs.video import PaintedFrame, Video
    from impasto.jobs.worker import Ended, Executor, Task, Worker
    from impasto.model.canvas import Canvas
    from impasto.model.extractor import Block, Extractor, Features
    from impasto.model.flow import Flow
    from impasto.model.loss import Fade, Layers, LayerWeights, Loss, Summary, Weight
    from impasto.model.masks import Region
    from impasto.model.objective import Objective
    from impasto.optimization.changes import Change
    from impasto.optimization.result import Interrupted, Result, RunFailed, Step
    from impasto.optimization.stages import Stage
    from impasto.optimization.state import Run
    from impasto.settings.plain_json import to_json
    from impasto.settings.preset import presets
    from impasto.settings.settings import Settings
    from impasto.settings.spec import Spec
    from impasto.settings.style import Style

__version__ = "0.1.0"

_HOME = {
    "impasto.api.functions": (
        "check",
        "compare",
        "estimate",
        "learn",
        "plugins",
        "profile",
        "sweep",
    ),
    "impasto.api.run": ("run", "steps", "texture"),
    "impasto.api.video": ("video",),
    "impasto.jobs.keywords": ("RunKeywords",),
    "impasto.jobs.pieces": ("features", "make", "read_image"),
    "impasto.jobs.resume": ("resume",),
    "impasto.jobs.video": ("PaintedFrame", "Video"),
    "impasto.jobs.worker": ("Ended", "Executor", "Task", "Worker"),
    "impasto.jobs.staging": ("StagedTask", "StagedWorker"),
    "impasto.jobs.steps": ("Steps",),
    "impasto.model.canvas": ("Canvas",),
    "impasto.errors": (
        "CheckpointError",
        "ImpastoError",
        "OutputError",
        "PictureError",
        "PluginError",
        "SettingsError",
    ),
    "impasto.model.extractor": ("Block", "Extractor", "Features"),
    "impasto.model.flow": ("Flow",),
    "impasto.jobs.compare": ("Score",),
    "impasto.jobs.estimate": ("Estimate",),
    "impasto.jobs.rerun": ("rerun",),
    "impasto.model.loss": ("Fade", "LayerWeights", "Layers", "Loss", "Summary", "Weight"),
    "impasto.model.masks": ("Region",),
    "impasto.model.objective": ("Objective",),
    "impasto.optimization.changes": ("Change",),
    "impasto.optimization.result": ("Interrupted", "Result", "RunFailed", "Step"),
    "impasto.optimization.stages": ("Stage",),
    "impasto.optimization.state": ("Run",),
    "impasto.settings.plain_json": ("to_json",),
    "impasto.settings.preset": ("presets",),
    "impasto.settings.settings": ("Settings",),
    "impasto.settings.spec": ("Spec",),
    "impasto.settings.style": ("Style",),
}

__all__ = [
    "Block",
    "Canvas",
    "Change",
    "CheckpointError",
    "Ended",
    "Estimate",
    "Executor",
    "Extractor",
    "Fade",
    "Features",
    "Flow",
    "ImpastoError",
    "Interrupted",
    "LayerWeights",
    "Layers",
    "Loss",
    "Objective",
    "Offer",
    "OutputError",
    "PaintedFrame",
    "PictureError",
    "PluginError",
    "Region",
    "Result",
    "Run",
    "RunFailed",
    "RunKeywords",
    "Score",
    "Settings",
    "SettingsError",
    "Spec",
    "Stage",
    "StagedTask",
    "StagedWorker",
    "Step",
    "Steps",
    "Style",
    "Summary",
    "Task",
    "Video",
    "Weight",
    "Worker",
    "check",
    "compare",
    "estimate",
    "features",
    "hookimpl",
    "learn",
    "make",
    "plugins",
    "presets",
    "profile",
    "read_image",
    "rerun",
    "resume",
    "run",
    "steps",
    "sweep",
    "texture",
    "to_json",
    "video",
]


def __getattr__(name: str) -> object:
    for home, names in _HOME.items():
        if name in names:
            value = getattr(importlib.import_module(home), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module 'impasto' has no attribute '{name}'")
