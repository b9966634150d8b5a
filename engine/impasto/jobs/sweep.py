"""Sweeps: all combinations of some settings, painted as a batch and laid out in one sheet."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from PIL import Image

from impasto.errors import ImpastoError, OutputError, SettingsError, unknown
from impasto.files.scratch import scratch_folder
from impasto.jobs.batch import Follower, Progress, make_executor, paint_batch
from impasto.jobs.job import Job, at
from impasto.jobs.own_files import picture_names, with_own_files
from impasto.jobs.run import observed_host
from impasto.jobs.sheet import Cells, Sheet
from impasto.jobs.signals import REASONS, Stopped
from impasto.optimization.result import Interrupted
from impasto.settings.input_files import files_of
from impasto.settings.settings import Settings, validate
from impasto.settings.spec import Spec


@dataclass(frozen=True)
class Vary:
    """One setting, and the values that it takes."""

    key: str
    """A setting (``optimizer``), or an option of a plugin (``loss.gram.weight``, ``optimizer.lr``)."""
    values: tuple[object, ...]
    """The values as they are typed, or as they are in Python."""

    @classmethod
    def parse(cls, text: str) -> Vary:
        """Read ``key=value,value``; values that have commas themselves have semicolons between.

        Raises:
            SettingsError: the text is not of that form.
        """
        key, equals, rest = text.partition("=")
        values = tuple(value.strip() for value in rest.split(";" if ";" in rest else ","))
        if not equals or not key.strip() or not all(values):
            raise SettingsError(f"vary {text!r} is not of the form key=value,value")
        return cls(key.strip(), values)


def combinations(settings: Settings, varies: Sequence[Vary]) -> list[tuple[str, Settings]]:
    """Every combination with its label; the last key changes fastest.

    Raises:
        SettingsError: a key that the settings do not have, or a value that does not fit.
    """
    made = []
    for chosen in itertools.product(*(vary.values for vary in varies)):
        table = settings.as_table()
        for vary, value in zip(varies, chosen, strict=True):
            set_value(table, vary.key, value)
        pairs = zip(varies, chosen, strict=True)
        made.append((" ".join(f"{vary.key}={value}" for vary, value in pairs), validate(table)))
    return made


def set_value(table: dict[str, object], key: str, value: object) -> None:
    """Change one setting, or one option of its plugin.

    Args:
        table: settings as :meth:`impasto.Settings.as_table` gives them; changed in place.
        key: ``setting``, ``setting.option``, or ``setting.plugin.option``.
        value: as typed, or as it is in Python.

    Raises:
        SettingsError: there is no such setting, or the run has no such plugin.
    """
    name, *path = key.split(".")
    known = [field.name for field in fields(Settings)]
    if name not in known:
        raise SettingsError(f"vary {key}: {unknown('setting', name, known)}")
    if not path:
        table[name] = value
        return
    plugin, option = ".".join(path[:-1]), path[-1]
    for spec in specs_of(table, name, plugin, key):
        spec[option] = value


def specs_of(table: dict[str, Any], name: str, plugin: str, key: str) -> list[dict[str, object]]:
    """The plugins of a setting that have this name, or the only one where none is given.

    Raises:
        SettingsError: there is none, or there are several and no name is given.
    """
    value = table.get(name)
    specs: list[Any] = value if isinstance(value, list) else [value]
    if not all(isinstance(spec, dict) and "name" in spec for spec in specs):
        raise SettingsError(f"vary {key}: the setting '{name}' has no options")
    named = [spec for spec in specs if plugin in ("", spec["name"])]
    if not named:
        there = [spec["name"] for spec in specs]
        raise SettingsError(f"vary {key}: {unknown(f'{name} of this run', plugin, there)}")
    if not plugin and len(named) > 1:
        name_one = f"{name}.{named[0]['name']}.{key.rpartition('.')[2]}"
        raise SettingsError(f"vary {key}: there are several; name one, as in {name_one}")
    return named


class SweepSheet(Sheet):
    """The sheet of a sweep: each combination under its label."""

    def __init__(
        self,
        settings: Settings,
        columns: int,
        cell: int,
        folder: Path,
        documents: Sequence[str],
    ) -> None:
        """Claim the file, which is the output of the settings.

        Raises:
            OutputError: it cannot be written, or is an input, or is there.
        """
        reads = [*files_of(settings), *documents]
        super().__init__(settings.output, cell, settings, folder, reads)
        self.columns = columns
        self.side = min(cell, settings.size) if isinstance(settings.size, int) else cell

    def cells(self, progress: Progress) -> tuple[Cells, int]:
        """A cell for each job."""
        empty = (self.side, self.side)
        return [
            self.cell_of(progress, job, job.place, empty) for job in progress.jobs
        ], self.columns


def sweep_settings(
    settings: Settings,
    varies: Sequence[Vary],
    cell: int = 256,
    folder: Path | None = None,
    *,
    executor: str = "local",
    retries: int = 0,
    observers: Sequence[object] = (),
    documents: Sequence[str] = (),
    followers: Sequence[Follower] = (),
) -> Image.Image:
    """Paint all combinations; the sheet is written anew after each, so that none is lost.

    Args:
        settings: what all have in common; their output is the sheet's file, if it is set.
        varies: what differs; one at least. The values of the last one are the columns.
        cell: pixels of each picture in the sheet.
        folder: of the results, as that of a batch; None paints in a temporary folder.
        executor: a SPEC.
        retries: how often a combination that failed is tried again.
        observers: objects with life-cycle hooks, for each run.
        documents: files that the settings come from.
        followers: are told when a job begins and ends.

    Returns:
        The sheet. A run that fails shows its picture so far, and says so.

    Raises:
        ImpastoError: a combination that cannot be painted; refused before any work. Or all of them failed.
        KeyboardInterrupt: it was stopped; the line says where the sheet is.
    """
    check_sweep(settings, varies, executor)
    runs = with_own_files(combinations(settings, varies), observers)
    jobs = jobs_of_runs(runs)
    host = observed_host(settings.load, settings.plugin, observers)
    made = make_executor(executor, host)
    where = settings.output or settings.content or "of styles alone"
    with results_in(folder) as results:
        sheet = SweepSheet(settings, len(varies[-1].values), cell, results, documents)
        shown_in = "" if folder else f"the sheet '{sheet.path}'" if sheet.path else "the sheet"
        try:
            progress = paint_batch(
                f"sweep {os.path.abspath(where)}", jobs, results, made, retries=retries,
                force=settings.force, documents=documents, observers=observers, shown_in=shown_in,
                followers=[sheet.follow, *followers], outputs=sheet.outputs,
            )  # fmt: skip
        except KeyboardInterrupt as stopped:
            raise interruption(stopped, sheet) from stopped
        sheet.finish()
    if not progress.count("done"):
        raise SettingsError("no combination could be painted; the lines above say why")
    assert sheet.picture is not None
    return sheet.picture


def check_sweep(settings: Settings, varies: Sequence[Vary], executor: str) -> None:
    """Refuse what a sweep cannot have.

    Raises:
        SettingsError: nothing varies, it has a checkpoint, or objects of Python for other processes.
    """
    if not varies:
        raise SettingsError(
            "a sweep needs at least one setting to vary: key=value,value", settings=("vary",)
        )
    if settings.checkpoint is not None:
        raise SettingsError("a sweep takes no checkpoint: its runs would write over one another's")
    if (objects := settings.objects()) and Spec.parse(executor).name != "local":
        raise SettingsError(
            f"the {objects[0][0]} '{objects[0][1].name}' is an object of Python, which only the executor"
            " local can have",
            settings=("executor",),
        )


def jobs_of_runs(runs: Sequence[tuple[str, Settings]]) -> list[Job]:
    """The jobs of combinations; their labels are their places, and in the names of their pictures.

    Raises:
        ImpastoError: an input cannot be read.
    """
    names = picture_names(label for label, _ in runs)
    jobs = []
    for (label, one), name in zip(runs, names, strict=True):
        try:
            jobs.append(Job.of(replace(one, output=name), label))
        except ImpastoError as error:
            raise at(label, error) from None
    return jobs


@contextmanager
def results_in(folder: Path | None) -> Iterator[Path]:
    """The folder of the results; where none is asked for, one that is removed at the end.

    Raises:
        OutputError: none can be made.
    """
    if folder is not None:
        yield folder
        return
    try:
        made = scratch_folder()
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"no temporary folder can be made: {reason}; name a folder") from None
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def interruption(stopped: KeyboardInterrupt, sheet: Sheet) -> KeyboardInterrupt:
    """What ended a sweep, with where the sheet is."""
    number = getattr(stopped, "number", signal.SIGINT)
    where = "in memory" if sheet.path is None else f"in the sheet '{sheet.path}'"
    try:
        sheet.finish()
        line = f"{REASONS[number]}; what was painted is {where}"
    except OutputError as error:
        line = f"{REASONS[number]}; {error}"
    if isinstance(stopped, Interrupted):
        return Interrupted(line, stopped.result, number)
    return Stopped(number, line)
