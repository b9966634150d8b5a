"""Reruns: the run of a picture's recipe once more. A recipe is read, never trusted: it runs no code."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from impasto.errors import RecipeError, SettingsError
from impasto.host.offer import hookimpl
from impasto.jobs.recipes import relocated
from impasto.jobs.run import prepare_run, register
from impasto.jobs.saving import paint_and_save
from impasto.optimization.inputs import sha256
from impasto.optimization.provenance import machine_of, versions
from impasto.optimization.recipe import NOT_IN_RECIPES
from impasto.optimization.result import Result, Step
from impasto.optimization.stages import Stage
from impasto.optimization.state import Run
from impasto.settings.settings import Settings, validate
from impasto.settings.trust import refuse_unnamed
from impasto.storage.recipe import read_recipe

logger = logging.getLogger("impasto")


class StopAfter:
    """Stops a run after so many steps, as the recipe's run was stopped."""

    def __init__(self, steps: int, reason: str, stage: int) -> None:
        """Keep when.

        Args:
            steps: that were done.
            reason: of the stop.
            stage: the first in which it may be, from 0: after the last step of one, or before the first
                of the next.
        """
        self.steps, self.reason, self.stage = steps, reason, stage

    @hookimpl
    def impasto_before_stage(self, run: Run, stage: Stage) -> None:
        self._stop_in_time(run, stage)

    @hookimpl
    def impasto_after_step(self, run: Run, step: Step) -> None:
        self._stop_in_time(run, step.stage)

    def _stop_in_time(self, run: Run, stage: Stage) -> None:
        if run.step >= self.steps and stage.number >= self.stage:
            run.stop(self.reason)


def rerun(
    path: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    found: Sequence[str] = (),
    plugins: Sequence[str] = (),
    force: bool = False,
    watched: Callable[[Settings], Settings] | None = None,
    observers: Sequence[object] = (),
) -> Result:
    """Repeat the run that a picture's recipe describes.

    Args:
        path: the picture with the recipe.
        output: the file to write; neither an input of the run nor ``path``.
        found: files that lie elsewhere now than they did; they are known by their checksums.
        plugins: plugins to load. A recipe loads none by itself: a picture from elsewhere must not run code.
        force: overwrite the output if it exists.
        watched: puts callbacks into the settings.
        observers: objects with life-cycle hooks.

    Raises:
        RecipeError: no recipe, or an input that is gone or has changed.
        PluginError: it needs a plugin that is not named.
        ImpastoError, RunFailed, Interrupted: see :func:`impasto.run`.
    """
    recipe = read_recipe(path)
    refuse_unnamed(f"the recipe in '{path}'", recipe["settings"].pop("plugin", ()), plugins)
    again = settings_again(recipe, output=os.fspath(output), plugins=plugins, force=force)
    refuse_objects(again, path)
    settings = relocated(again, places_of(recipe["inputs"], found))
    outputs = register(settings, [os.fspath(path), *found])
    settings = watched(settings) if watched else settings
    run = prepare_run(settings, observers=observers, outputs=outputs)
    say_differences(run, recipe)
    try:
        run.steering.plan(run.steering.read(recipe.get("changes", ()), recipe["steps"]))
    except SettingsError as error:
        raise RecipeError(f"the recipe in '{path}' cannot be repeated: {error}") from None
    if recipe.get("stopped"):
        stage = min(recipe.get("stage", 0), len(run.stages) - 1)
        stop = StopAfter(recipe["steps"], str(recipe["stopped"]), stage)
        run.host.register(stop, "rerun", "the engine")
    return paint_and_save(run)


def settings_again(
    recipe: Mapping[str, Any], output: str, plugins: Sequence[str], force: bool
) -> Settings:
    """The settings of a recipe for a run here.

    Raises:
        PluginError: it needs plugins that were not named.
        SettingsError: a setting that this version does not know, or a value that does not fit.
    """
    table = {key: value for key, value in recipe["settings"].items() if key not in NOT_IN_RECIPES}
    if recipe.get("callbacks"):
        logger.info("callbacks of the recipe are left out: %s", _listed(recipe["callbacks"]))
    return validate({**table, "plugin": list(plugins), "output": output, "force": force})


def refuse_objects(settings: Settings, path: str | os.PathLike[str]) -> None:
    """Refuse a recipe of a run that was given objects in Python.

    Raises:
        RecipeError: with the first of them.
    """
    for kind, spec in settings.objects():
        raise RecipeError(
            f"the recipe in '{path}' has the {kind} '{spec.name}', an object of Python, which rerun"
            " cannot make: run its program again"
        )


def places_of(inputs: Mapping[str, str], found: Sequence[str]) -> dict[str, str]:
    """Where each input is now, checked.

    Raises:
        RecipeError: one is gone, has changed, or was in memory only.
    """
    by_sum = {sha256(file): file for file in found}
    if strange := [file for checksum, file in by_sum.items() if checksum not in inputs.values()]:
        raise RecipeError(f"{_listed(strange)}: no input of the recipe has that checksum")
    places = {}
    for name, checksum in inputs.items():
        if not checksum:
            raise RecipeError(f"the input {name!r} was in memory: there is no file to start from")
        if checksum in by_sum:
            places[name] = by_sum[checksum]
        elif not os.path.isfile(name):
            raise RecipeError(
                f"the input {name!r} is gone; say where it is now", settings=("input",)
            )
        elif (now := sha256(name)) != checksum:
            raise RecipeError(
                f"the input {name!r} has changed: its SHA-256 was {str(checksum)[:12]}… and is"
                f" {now[:12]}…; say where the old one is",
                settings=("input",),
            )
    return places


def say_differences(run: Run, recipe: Mapping[str, Any]) -> None:
    """Warn of versions and of the machine where they differ from the recipe's.

    Raises:
        RecipeError: the network has other weights.
    """
    before, now = (
        {**recipe["versions"], **recipe["machine"]},
        {**versions(), **machine_of(run.prepared)},
    )
    for what in now:
        if before.get(what) != now[what]:
            logger.warning(
                "%s was %r and is %r: the picture will be the same only within rounding",
                what, before.get(what), now[what],
            )  # fmt: skip
    same = all(before.get(what) == now[what] for what in ("device", "precision", "torch"))
    if same and recipe.get("network") != run.prepared.network_checksum:
        raise RecipeError("the network has other weights than the recipe's run")


def _listed(values: Any) -> str:
    return ", ".join(repr(str(value)) for value in values)
