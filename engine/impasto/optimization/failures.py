"""Whose failure an error is: in one line, for a plugin its kind, name, origin, and the line of its code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from impasto.errors import ImpastoError, PluginError
from impasto.host.host import Host, reason_of
from impasto.model.objective import Objective
from impasto.model.scopes import scope_of
from impasto.optimization.memory import is_out_of_memory
from impasto.settings.settings import Settings
from impasto.settings.spec import Spec


def failure(error: Exception, host: Host, settings: Settings, objective: Objective) -> str:
    """What failed, in one line: for a plugin its kind, name and origin, as the scopes tell.

    Args:
        error: as it was caught.
        host: of the run.
        settings: name the plugins of the run.
        objective: has the losses of the run by their terms.
    """
    kind, _, name = (scope_of(error) or "").partition("/")
    spec = _spec_of(kind, name.rpartition("/")[2], settings, objective)
    if spec is None:
        return reason_of(error, "")
    origin = host.origin_of(kind, spec.name)
    return f"{kind} '{spec.name}' of plugin {origin} failed: {host.reason_of(error, origin)}"


@contextmanager
def failures_named(host: Host, settings: Settings, objective: Objective) -> Iterator[None]:
    """Raise what a plugin does wrong as an error that names it.

    Raises:
        PluginError: a part of a step failed.
    """
    try:
        yield
    except Exception as error:
        foreign = not isinstance(error, ImpastoError) or isinstance(error, PluginError)
        if not foreign or scope_of(error) is None or is_out_of_memory(error):
            raise
        raise PluginError(failure(error, host, settings, objective)) from error


def _spec_of(kind: str, name: str, settings: Settings, objective: Objective) -> Spec | None:
    if kind == "loss" and name in objective.names:
        return objective.loss(name).spec
    specs = {
        "optimizer": settings.optimizer,
        "canvas": settings.canvas,
        "extractor": settings.extractor,
    }
    return specs.get(kind)
