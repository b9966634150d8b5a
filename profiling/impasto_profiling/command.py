"""The command line that makes a profile again."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from impasto.settings.settings import Settings, gather
from impasto_profiling.recording import Plan

OWN = ("profile", "tensorboard", "progress")
"""Callbacks that ``impasto profile`` adds by itself."""
SEPARATE = ("loss", "callback", "plugin")
"""Settings of which each value has an option of its own."""


def command_of(settings: Settings, plan: Plan, folder: Path) -> str:
    """The command, with what differs from the defaults; empty if something was given as an object.

    Args:
        settings: of the run.
        plan: which steps were recorded.
        folder: of the profile.
    """
    if settings.objects() or not settings.content:
        return ""
    pictures = [settings.content, *map(str, settings.style)]
    default = gather(
        {"content": settings.content, "style": list(map(str, settings.style))}, None, None
    )
    words = ["impasto", "profile", *pictures, *_options(settings, default), *_plan(plan)]
    return shlex.join([*words, "--trace-dir", str(folder)])


def _options(settings: Settings, default: Settings) -> Iterator[str]:
    for field in fields(Settings):
        name, value = field.name, getattr(settings, field.name)
        if name in ("content", "style") or value is None or value == getattr(default, name):
            continue
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            yield option if value else f"--no-{option.removeprefix('--')}"
        elif name in SEPARATE:
            for one in value:
                if getattr(one, "name", "") not in OWN:
                    yield from (option, str(one))
        else:
            yield from (
                option,
                ",".join(map(str, value)) if isinstance(value, tuple) else str(value),
            )


def _plan(plan: Plan) -> Iterator[str]:
    usual = Plan(1, 2, 5, 1, profile_memory=True)
    for name in ("wait", "warmup", "active", "repeat"):
        if getattr(plan, name) != getattr(usual, name):
            yield from (f"--{name}", str(getattr(plan, name)))
    if not plan.profile_memory:
        yield "--no-memory"
    if plan.with_stack:
        yield "--stacks"
