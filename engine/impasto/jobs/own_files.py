"""Files that callbacks write: where those of several runs would be the same, each run has its own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from impasto.files.names import fitting_name, free_name
from impasto.files.outputs import Outputs
from impasto.host.host import Host
from impasto.jobs.run import observed_host
from impasto.optimization.checks import check_specs
from impasto.settings.settings import Settings
from impasto.settings.spec import Spec


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


def claim_files(settings: Settings, host: Host, outputs: Outputs, replace: bool) -> None:
    """Refuse, before any work, what a callback would refuse when its run begins.

    Only files can be claimed, and an option does not say whether it is one: what lies in a folder that is
    not there yet, and folders that are, are left to the callback.

    Args:
        settings: of a run.
        host: has its callbacks.
        outputs: the register of what is read and written.
        replace: files that are there may be replaced.

    Raises:
        OutputError: a file is there, is an input, or is written by something else, too.
    """
    for spec in settings.callback:
        for name, path in paths_of(host, spec).items():
            located = outputs.located(path)
            if located.parent.is_dir() and not located.is_dir():
                outputs.claim(path, f"callback '{spec.name}': {name}", replace=replace)


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


def file_name(label: str) -> str:
    """A label as a file's name.

    >>> file_name("init=a/b.jpg size=64")
    'init=a_b.jpg_size=64'
    """
    return re.sub(r"[^\w.=,+-]+", "_", label)
