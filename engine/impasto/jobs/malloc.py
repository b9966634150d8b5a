"""The C library's allocator, set for the stages of a run: a command owns its process, a library does not."""

from __future__ import annotations

from impasto.host.offer import hookimpl
from impasto.optimization.memory import configure_malloc


class ConfigureMalloc:
    """Sets the allocator at the beginning of each stage; see :func:`configure_malloc`."""

    @hookimpl
    def impasto_before_stage(self) -> None:
        configure_malloc()
