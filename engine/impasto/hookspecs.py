"""The hooks: what a plugin can offer, and the moments of a run that it can follow.

*Offering* hooks return a list of :class:`Offer`. They are called once, when the plugin is loaded. A
plugin whose offering hook fails is listed as broken with its reason; no command stops for it,
unless the user named that plugin with ``--plugin``.

*Life-cycle* hooks are called as a run goes on and return nothing. What they return is ignored. An
observer that fails is reported once with its name and left out, and the run goes on; to refuse a run
before it starts, raise :class:`impasto.ImpastoError` in ``impasto_before_run``. Plugins that were
registered later are called first.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

from impasto.host.offer import Offer

if TYPE_CHECKING:
    from impasto.optimization.result import Result, Step
    from impasto.optimization.stages import Stage
    from impasto.optimization.state import Run

hookspec = pluggy.HookspecMarker("impasto")


@hookspec
def impasto_extractors() -> Iterable[Offer]:  # type: ignore[empty-body]
    """Offer extractors. ``factory(**options)`` returns an :class:`impasto.Extractor`.

    When: once, at loading. Return: offers. Failure: the plugin is listed as broken.
    """


@hookspec
def impasto_losses() -> Iterable[Offer]:  # type: ignore[empty-body]
    """Offer losses. ``factory(**options)`` returns an :class:`impasto.Loss`.

    When: once, at loading. Return: offers. Failure: the plugin is listed as broken. A loss that
    fails during a run ends the run, which keeps its picture.
    """


@hookspec
def impasto_optimizers() -> Iterable[Offer]:  # type: ignore[empty-body]
    """Offer optimizers. ``factory(parameters, **options)`` returns a ``torch.optim.Optimizer``.

    ``parameters`` is a list of tensors, the canvas's; it is not an option. The engine calls
    ``optimizer.step(closure)``; the closure computes gradients and returns the loss.
    When: once, at loading. Return: offers. Failure: the plugin is listed as broken. An optimizer
    that fails during a run ends the run, which keeps its picture.

    The engine sends the canvas back to the best picture, with half of every ``lr``, when the loss
    diverges or is NaN. An optimizer that recovers by itself has ``recovers = True``.
    """


@hookspec
def impasto_canvases() -> Iterable[Offer]:  # type: ignore[empty-body]
    """Offer canvases. ``factory(image, **options)`` returns an :class:`impasto.Canvas`.

    ``image`` is the start, (1, 3, H, W) sRGB in [0, 1]; it is not an option.
    When: once, at loading. Return: offers. Failure: the plugin is listed as broken.
    """


@hookspec
def impasto_callbacks() -> Iterable[Offer]:  # type: ignore[empty-body]
    """Offer callbacks. ``factory(**options)`` returns an object with life-cycle hooks as methods.

    The object is registered for one run. Check options in the factory: what it raises stops the
    run before any work.
    When: once, at loading. Return: offers. Failure: the plugin is listed as broken.
    """


@hookspec
def impasto_executors() -> Iterable[Offer]:  # type: ignore[empty-body]
    """Offer executors. ``factory(**options)`` returns an :class:`impasto.Executor`.

    It does the jobs of a batch, in this process, in others, or on other machines. What the factory
    raises stops the batch before its first job.
    When: once, at loading. Return: offers. Failure: the plugin is listed as broken.
    """


@hookspec
def impasto_flows() -> Iterable[Offer]:  # type: ignore[empty-body]
    """Offer optical flows. ``factory(**options)`` returns an :class:`impasto.Flow`.

    It says where each pixel of a frame is in another, for ``impasto video``. What the factory raises
    stops the film before its first frame.
    When: once, at loading. Return: offers. Failure: the plugin is listed as broken.
    """


@hookspec
def impasto_before_run(run: Run) -> None:
    """The run is ready: pictures read, plugins made, nothing computed yet.

    ``run``: the whole state; settings are frozen, the rest may be changed.
    Failure: an ``ImpastoError`` stops the run; anything else is reported, the observer left out.
    """


@hookspec
def impasto_before_stage(run: Run, stage: Stage) -> None:
    """A stage begins: its canvas, targets and optimizer are made.

    ``run``: the whole state. ``stage``: its number, size and steps; read only.
    Failure: reported once, the observer is left out.
    """


@hookspec
def impasto_after_step(run: Run, step: Step) -> None:
    """One optimizer step is done.

    ``run``: call ``run.stop(reason)`` to end it after this step, ``run.picture()`` for the canvas.
    ``step``: immutable; reading ``step.loss`` or ``step.terms`` waits for the device.
    Failure: reported once, the observer is left out.
    """


@hookspec
def impasto_while_paused(run: Run) -> None:
    """The run waits between two steps, as ``run.pause()`` asked; called ten times a second meanwhile.

    ``run``: the whole state; ``run.go_on()`` ends the pause.
    Failure: reported once, the observer is left out.
    """


@hookspec
def impasto_after_stage(run: Run, stage: Stage) -> None:
    """A stage is over; the canvas still has its size.

    ``run``: the whole state. ``stage``: read only.
    Failure: reported once, the observer is left out.
    """


@hookspec
def impasto_after_run(run: Run, result: Result) -> None:
    """The run is over and the result is made; it is not yet written to its file.

    ``run``: the whole state. ``result``: picture, losses and settings; read only.
    Failure: reported once; the result is kept.
    """


@hookspec
def impasto_run_failed(run: Run, error: BaseException) -> None:
    """The run ends early: an error, a refusal, or the user's Ctrl-C. The engine keeps the picture so far.

    ``run``: the whole state. ``error``: what ended it. Free what ``impasto_before_run`` took;
    where another plugin refused the run there, it may not have been called.
    Failure: reported once; the first error is the one that is shown.
    """
