"""Sweeps: all combinations of some settings, painted one by one and laid out in one sheet."""

from __future__ import annotations

import itertools
import logging
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from impasto.errors import OutputError, SettingsError, unknown
from impasto.files.names import fitting_name, free_name
from impasto.files.outputs import Outputs
from impasto.host.host import Host
from impasto.images.contact_sheet import contact_sheet
from impasto.images.tensors import save
from impasto.images.writing import SUFFIXES
from impasto.jobs.run import observed_host, register, run_settings
from impasto.jobs.signals import REASONS, StopSignals
from impasto.optimization.checks import check_specs
from impasto.optimization.result import Interrupted, RunFailed
from impasto.optimization.shared import Shared
from impasto.settings.input_files import files_of
from impasto.settings.settings import Settings, validate
from impasto.settings.spec import Spec

logger = logging.getLogger("impasto")


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


def sweep_settings(
    settings: Settings,
    varies: Sequence[Vary],
    cell: int = 256,
    folder: Path | None = None,
    observers: Sequence[object] = (),
    documents: Sequence[str] = (),
) -> Image.Image:
    """Paint all combinations; the sheet is written anew after each, so that none is lost.

    Args:
        settings: what all have in common; their output is the sheet's file, if it is set.
        varies: what differs; one at least. The values of the last one are the columns.
        cell: pixels of each picture in the sheet.
        folder: where the pictures go as files of their own, if anywhere; made if it is not there.
        observers: objects with life-cycle hooks, for each run.
        documents: files that the settings come from.

    Returns:
        The sheet. A run that fails shows its picture so far, and says so.

    Raises:
        ImpastoError: a combination that cannot be painted; refused before any work.
    """
    if not varies:
        raise SettingsError(
            "a sweep needs at least one setting to vary: key=value,value", settings=("vary",)
        )
    if settings.checkpoint is not None:
        raise SettingsError("a sweep takes no checkpoint: its runs would write over one another's")
    runs = with_own_files(combinations(settings, varies), observers)
    outputs, output, files = claim_all(settings, runs, folder, documents)
    cells: list[tuple[str, Image.Image]] = []
    shared = Shared()
    # A signal stops the run that is being painted; here it waits until all is written.
    with StopSignals(hold=True).watched():
        for number, (label, one) in enumerate(runs, 1):
            logger.info("sweep: %s", label)
            cell_of, stopped = painted(label, one, observers, documents, shared)
            cells += cell_of
            troubles = []
            if files and cell_of:
                name = files[number - 1].name.replace(file_name(label), file_name(cells[-1][0]))
                file = files[number - 1].with_name(fitting_name(Path(name).stem, ".png"))
                troubles.append(outputs.keep(partial(save, cells[-1][1]), file))
            if output is not None and cell_of:
                sheet = contact_sheet(cells, len(varies[-1].values), cell)
                troubles.append(outputs.keep(partial(save, sheet), output, "sheet"))
            end_if_needed(stopped, [trouble for trouble in troubles if trouble], output)
            logger.info("sweep: %d of %d painted", number, len(runs))
    return contact_sheet(cells, len(varies[-1].values), cell)


def end_if_needed(
    stopped: Interrupted | None, troubles: Sequence[str], output: Path | None
) -> None:
    """End the sweep where it was stopped, or where a file could not be written.

    Raises:
        Interrupted: it was stopped; the line says where the sheet is.
        OutputError: a file is not in its place; the line says where it is.
    """
    if stopped is not None:
        kept = "nothing" if not stopped.result.steps else "the picture so far"
        where = "the error's result" if output is None else f"the sheet '{output}'"
        reason = REASONS[stopped.number]
        line = "; ".join([reason, *(troubles or [f"{kept} is in {where}"])])
        raise Interrupted(line, stopped.result, stopped.number)
    if troubles:
        raise OutputError("; ".join(troubles))


def with_own_files(
    runs: Sequence[tuple[str, Settings]], observers: Sequence[object] = ()
) -> list[tuple[str, Settings]]:
    """The runs, checked; where their callbacks would write the same file, each writes one of its own.

    Each option of a callback that is a :class:`pathlib.Path` is taken for such a file or folder. The label
    of the run goes into its name: ``a.log``, ``a_seed=1.log``.

    Args:
        runs: label and settings of each.
        observers: objects with hooks, for each run.

    Raises:
        SettingsError: an unknown name or option, or a value that does not fit.
    """
    paths: list[list[dict[str, Path]]] = []
    for _, one in runs:
        host = observed_host(one.load, one.plugin, observers)
        check_specs(host, one)
        paths.append([paths_of(host, spec) for spec in one.callback])
    count = Counter(path for run in paths for named in run for path in named.values())
    made = []
    names = picture_names(label for label, _ in runs)
    for (label, one), run, name in zip(runs, paths, names, strict=True):
        specs = []
        for spec, named in zip(one.callback, run, strict=True):
            shared = {option: path for option, path in named.items() if count[path] > 1}
            own = {option: str(labeled(path, Path(name).stem)) for option, path in shared.items()}
            specs.append(Spec(spec.name, {**spec.options, **own}))
        made.append((label, replace(one, callback=tuple(specs))))
    return made


def paths_of(host: Host, spec: Spec) -> dict[str, Path]:
    """The options of a callback that are paths, those that it has by default included."""
    defaults = {option.name: option.default for option in host.find("callback", spec.name).options}
    options = {**defaults, **host.check("callback", spec)}
    return {name: value for name, value in options.items() if isinstance(value, Path)}


def labeled(path: Path, label: str) -> Path:
    """A path with a label in its name, before the suffix; one inside a folder that has no name to change."""
    if path.name in ("", ".."):
        return path / label
    return path.with_name(fitting_name(f"{path.stem}_{label}", path.suffix))


def picture_names(labels: Iterable[str]) -> list[str]:
    """A name for each picture, all different."""
    names: list[str] = []
    for label in labels:
        names.append(free_name(fitting_name(file_name(label), ".png"), names))
    return names


def claim_all(
    settings: Settings,
    runs: Sequence[tuple[str, Settings]],
    folder: Path | None,
    documents: Sequence[str],
) -> tuple[Outputs, Path | None, list[Path]]:
    """The register of a sweep, the sheet's file, and one for each picture.

    Raises:
        OutputError: one of them cannot be written, or must not be.
    """
    outputs = register(replace(settings, output=None), documents)
    for _, one in runs:
        outputs.reads(files_of(one))
        refuse_old_files(one, outputs)
    output = None
    if settings.output is not None:
        output = outputs.claim(settings.output, suffixes=SUFFIXES)
    if folder is None:
        return outputs, output, []
    folder = outputs.claim_folder(folder)
    names = picture_names(label for label, _ in runs)
    return outputs, output, [outputs.claim(folder / name) for name in names]


def refuse_old_files(settings: Settings, outputs: Outputs) -> None:
    """Refuse, before any work, what a callback would refuse when its run begins: files that are there.

    Raises:
        OutputError: with the file.
    """
    for spec in settings.callback:
        for name, value in spec.options.items():
            if isinstance(value, str) and outputs.located(value).is_file():
                outputs.claim(value, f"callback '{spec.name}': {name}")


def painted(
    label: str,
    settings: Settings,
    observers: Sequence[object],
    documents: Sequence[str],
    shared: Shared,
) -> tuple[list[tuple[str, Image.Image]], Interrupted | None]:
    """Label and picture of one combination, also if its run ended early, and what stopped the sweep."""
    settings = replace(settings, output=None)
    try:
        result = run_settings(settings, observers=observers, documents=documents, shared=shared)
    except RunFailed as error:
        logger.warning("sweep: %s: %s", label, error)
        return [(f"FAILED {label}", error.result.picture)], None
    except Interrupted as error:
        cells = [(f"STOPPED {label}", error.result.picture)] if error.result.steps else []
        return cells, error
    return [(label, result.picture)], None


def file_name(label: str) -> str:
    """A label as a file's name.

    >>> file_name("init=a/b.jpg size=64")
    'init=a_b.jpg_size=64'
    """
    return re.sub(r"[^\w.=,+-]+", "_", label)
