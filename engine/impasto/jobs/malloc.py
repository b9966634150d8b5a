"""The C library's allocator, set for the stages of a run: a command owns its process, a library does not."""

from __future__ import annotations

from impasto.host.offer import hookimpl
from impasto.optimization.memory import configure_malloc
from impasto.optimization.stages import Stage
from impasto.optimization.state import Run


class ConfigureMalloc:
    """Sets the allocator at the beginning of each stage, by the stage's number of pixels."""

    @hookimpl
    def impasto_before_stage(self, run: Run, stage: Stage) -> None:
        ranks = run.objective.ranks
        pixels = stage.width * stage.height // (ranks.count if ranks else 1)
        # Of several processes each holds its rows as a whole, unless tiles were asked for.
        configure_malloc(pixels, tiled=isinstance(run.settings.tile, int))


def before_stage(stage: Stage) -> None:
    """Set the allocator for a stage; see :func:`impasto.optimization.memory.configure_malloc`."""
    configure_malloc(stage.width * stage.height)
