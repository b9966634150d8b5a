"""Names for the parts of a step, in profiles and in errors: ``loss/gram``, ``optimizer/lbfgs``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch._C._autograd import _profiler_enabled
from torch.autograd.profiler import record_function

_NOTE = "impasto scope: "


@contextmanager
def scope(name: str) -> Iterator[None]:
    """Run a part under a name: a scope in the profiler's trace, a note on an error that leaves it."""
    try:
        if _profiler_enabled():
            with record_function(name):
                yield
        else:
            yield
    except BaseException as error:
        error.add_note(_NOTE + name)
        raise


def part(name: str) -> AbstractContextManager[None]:
    """A :func:`scope` for code that may be compiled.

    It does nothing while the code is compiled, since Python state would break the graph.
    """
    return nullcontext() if torch.compiler.is_compiling() else scope(name)


def scope_of(error: BaseException) -> str | None:
    """The innermost scope that an error left, or None."""
    notes = getattr(error, "__notes__", [])
    return next((note.removeprefix(_NOTE) for note in notes if note.startswith(_NOTE)), None)
