"""Sweeps: all combinations of some settings, painted one by one and laid out in one sheet."""

from __future__ import annotations

import itertools
import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from impasto.builtin import build_host
from impasto.errors import SettingsError, unknown
from impasto.images.contact_sheet import contact_sheet
from impasto.images.tensors import check_output, save
from impasto.jobs.run import run_settings
from impasto.optimization.checks import check_specs
from impasto.optimization.result import RunFailed
from impasto.settings.input_files import picture_files
from impasto.settings.settings import Settings, validate
from impasto.storage.fallback import keep

logger = logging.getLogger("impasto")


@dataclass(frozen=True)
class Vary:
    """One setting, and the values that it takes."""

    key: str
    """A setting (``optimizer``), or an option of a plugin (``loss.gram.weight``, ``optimizer.lr``)."""
    values: tuple[str, ...]
    """The values as they are typed."""

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


def set_value(table: dict[str, object], key: str, value: str) -> None:
    """Change one setting, or one option of its plugin.

    Args:
        table: settings as :meth:`impasto.Settings.as_table` gives them; changed in place.
        key: ``setting``, ``setting.option``, or ``setting.plugin.option``.
        value: as typed.

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


def sweep(
    settings: Settings,
    varies: Sequence[Vary],
    cell: int = 256,
    folder: Path | None = None,
    observers: Sequence[object] = (),
) -> Image.Image:
    """Paint all combinations; the sheet is written anew after each, so that none is lost.

    Args:
        settings: what all have in common; their output is the sheet's file, if it is set.
        varies: what differs; one at least. The values of the last one are the columns.
        cell: pixels of each picture in the sheet.
        folder: where the pictures go as files of their own, if anywhere; made if it is not there.
        observers: objects with life-cycle hooks, for each run.

    Returns:
        The sheet. A run that fails shows its picture so far, and says so.

    Raises:
        ImpastoError: a combination that cannot be painted; refused before any work.
    """
    if not varies:
        raise SettingsError("a sweep needs --vary key=value,value once at least")
    if settings.checkpoint is not None:
        raise SettingsError("a sweep takes no checkpoint: its runs would write over one another's")
    runs = combinations(settings, varies)
    output = Path(settings.output) if settings.output is not None else None
    if output is not None:
        check_output(output, settings.force, picture_files(settings))
    for _, one in runs:
        check_specs(build_host(one.load, one.plugin), one)
    cells: list[tuple[str, Image.Image]] = []
    for number, cell_of in enumerate(painted(runs, folder, observers), 1):
        cells.append(cell_of)
        if output is not None:
            sheet = contact_sheet(cells, len(varies[-1].values), cell)
            keep(partial(save, sheet), output)
        logger.info("sweep: %d of %d painted", number, len(runs))
    return contact_sheet(cells, len(varies[-1].values), cell)


def painted(
    runs: Sequence[tuple[str, Settings]], folder: Path | None, observers: Sequence[object] = ()
) -> Iterator[tuple[str, Image.Image]]:
    """Label and picture of each combination, as it is painted."""
    for label, settings in runs:
        logger.info("sweep: %s", label)
        try:
            picture = run_settings(replace(settings, output=None), observers=observers).picture
        except RunFailed as error:
            logger.warning("sweep: %s: %s", label, error)
            label, picture = f"FAILED {label}", error.result.picture
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            keep(partial(save, picture), folder / f"{file_name(label)}.png")
        yield label, picture


def file_name(label: str) -> str:
    """A label as a file's name.

    >>> file_name("init=a/b.jpg size=64")
    'init=a_b.jpg_size=64'
    """
    return re.sub(r"[^\w.=,+-]+", "_", label)
