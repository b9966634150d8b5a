"""What the command line does besides painting one picture: sweep, learn, compare, estimate, profile, list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from PIL.Image import Image

from impasto.api.run import IN_MEMORY_TYPES, Picture, asked_for, listed, opened
from impasto.builtin import build_host
from impasto.errors import SettingsError
from impasto.host.objects import take_objects
from impasto.host.records import records
from impasto.jobs.compare import HELD_OUT, Score
from impasto.jobs.compare import compare as compare_pictures
from impasto.jobs.estimate import Estimate, estimate_settings
from impasto.jobs.keywords import RunKeywords
from impasto.jobs.learn import learn_settings
from impasto.jobs.profile import profile_settings
from impasto.jobs.sweep import Vary, sweep_settings
from impasto.optimization.checks import check_specs
from impasto.optimization.result import Result
from impasto.settings.settings import Settings, documents_of, gather
from impasto.settings.style import Style
from impasto.storage.style_file import Record

if TYPE_CHECKING:
    from impasto_profiling.report import Report


def sweep(
    content: str | PathLike[str],
    style: str | PathLike[str] | Style | Sequence[str | PathLike[str] | Style],
    vary: Mapping[str, Sequence[object]],
    *,
    cell: int = 256,
    folder: str | PathLike[str] | None = None,
    executor: str = "local",
    retries: int = 0,
    preset: str | None = None,
    config: str | PathLike[str] | None = None,
    **given: Unpack[RunKeywords],
) -> Image:
    """Paint all combinations of some settings, and lay them out in one sheet.

    Args:
        content: a picture file.
        style: one or several.
        vary: the values of each setting that differs, e.g. ``{"loss.gram.weight": [10, 100]}``; those of the
            last one are the columns.
        cell: pixels of each picture in the sheet.
        folder: where the pictures go as files of their own, with the manifest that says what is done, so
            that the same call goes on where it stopped; made if it is not there. None keeps the sheet only.
        executor: a SPEC; objects of Python need ``local``.
        retries: how often a combination that failed is tried again.
        preset: name of a preset.
        config: a TOML file of settings.
        given: what all have in common; ``output`` is the sheet's file.

    Returns:
        The sheet. A run that fails shows its picture so far, and says so.

    Raises:
        ImpastoError: a combination that cannot be painted; refused before any work.
    """
    asked = asked_for(content, style, preset, config, given)
    if asked.content or any(asked.styles):
        raise SettingsError("a sweep needs pictures in files, not in memory")
    return sweep_settings(
        asked.settings,
        [Vary(key, tuple(values)) for key, values in vary.items()],
        cell,
        None if folder is None else Path(folder),
        executor=executor,
        retries=retries,
        observers=asked.observers if asked.settings.objects() else (),
        documents=asked.documents,
    )


def learn(
    painting: str | PathLike[str] | Style,
    file: str | PathLike[str],
    *,
    preset: str | None = None,
    config: str | PathLike[str] | None = None,
    **given: Unpack[RunKeywords],
) -> Record:
    """Learn a painting's style into a file, for runs with the same network, losses and sizes.

    Args:
        painting: a picture file, with a scale or size if wanted.
        file: to write; its suffix is ``.style``.
        preset: name of a preset; ``default`` unless given.
        config: a TOML file of settings.
        given: settings by name, as in :func:`impasto.run`.

    Returns:
        The record that the file has.

    Raises:
        ImpastoError: a setting, picture or plugin that cannot be used.
    """
    if "output" in given:
        raise SettingsError("a style file is named by 'file'; the setting 'output' is for pictures")
    for one in take_objects(given)[1].objects:
        raise SettingsError(
            f"a style file cannot keep the {one.kind} {one.name}, an object of Python: make it a plugin",
            settings=("plugin",),
        )
    style = Style.parse(painting)
    config = fspath(config) if config is not None else None
    whole = {**given, "content": style.file, "style": style, "output": fspath(file)}
    return learn_settings(gather(whole, preset, config), documents_of(preset, config))


def compare(
    results: Mapping[str, Picture | Result] | Sequence[Picture | Result],
    content: Picture,
    style: Picture | Sequence[Picture],
    *,
    layers: Sequence[str] = HELD_OUT,
    extractor: str | Sequence[str] = "vgg19",
    size: int | None = None,
) -> list[Score]:
    """Measure how near pictures are to a style and to a content, on layers that no loss uses by default.

    Args:
        results: one or more pictures; those in memory have a name in a mapping, or a number.
        content: the content picture.
        style: one or several; their weights and scales count.
        layers: of the extractor, on which distances are taken.
        extractor: a SPEC, or several: the first gives ``style`` and ``content`` of a score, the others its
            ``networks``.
        size: longer side in pixels at which all are compared; None is the smallest result's.

    Returns:
        Distances of each picture, after those of content and style themselves.

    Raises:
        PictureError: a picture that cannot be read.
        SettingsError: no picture, or a layer or an extractor that is not there.
    """
    if not isinstance(results, Mapping):
        results = {_name(one, number): one for number, one in enumerate(results, 1)}
    if not results:
        raise SettingsError("there is nothing to compare: give one picture at least")
    pictures = {
        name: opened(one.picture if isinstance(one, Result) else one, name)
        for name, one in results.items()
    }
    parsed = {
        Style(f"style {number}") if isinstance(one, IN_MEMORY_TYPES) else Style.parse(one): one
        for number, one in enumerate(listed(style), 1)
    }
    return compare_pictures(
        pictures,
        opened(content, "content"),
        {
            key: opened(one if isinstance(one, IN_MEMORY_TYPES) else key.file, key.file)
            for key, one in parsed.items()
        },
        layers=layers,
        extractor=extractor,
        size=size,
    )


def _name(picture: Picture | Result, number: int) -> str:
    # A path is the only one of them that is not in memory.
    return fspath(picture) if isinstance(picture, (str, PathLike)) else f"picture {number}"


def estimate(
    content: Picture | None,
    style: Picture | Sequence[Picture],
    *,
    preset: str | None = None,
    config: str | PathLike[str] | None = None,
    **given: Unpack[RunKeywords],
) -> Estimate:
    """How much memory and time a run will take on this machine, by a few small steps. Nothing is painted.

    Args:
        content: see :func:`impasto.run`; so are all others.
        style: one or several pictures.
        preset: name of a preset.
        config: a TOML file of settings.
        given: settings by name.

    Raises:
        ImpastoError: what would refuse the run.
    """
    asked = asked_for(content, style, preset, config, given)
    return estimate_settings(
        asked.settings, content=asked.content, styles=asked.styles, observers=asked.observers
    )


def profile(
    content: Picture | None,
    style: Picture | Sequence[Picture],
    folder: str | PathLike[str],
    *,
    wait: int = 1,
    warmup: int = 2,
    active: int = 5,
    repeat: int = 1,
    memory: bool = True,
    stacks: bool = False,
    preset: str | None = None,
    config: str | PathLike[str] | None = None,
    **given: Unpack[RunKeywords],
) -> tuple[Result, Report]:
    """Paint as :func:`impasto.run` does, and say where the time goes.

    Args:
        content: see :func:`impasto.run`.
        style: one or several pictures.
        folder: of the log: report.html, a page to look at; the report, two plots; traces for TensorBoard.
        wait: steps of each stage to leave alone first.
        warmup: steps to record and throw away after that.
        active: steps to record after that.
        repeat: how often to repeat that in each stage.
        memory: record allocations, and say who holds them where memory peaks.
        stacks: record Python functions in the trace, too.
        preset: name of a preset.
        config: a TOML file of settings.
        given: settings by name.

    Returns:
        The result of the run, and the report.

    Raises:
        SettingsError: packages of the extra ``profiling`` are not installed, or no step would be recorded.
        ImpastoError, RunFailed, Interrupted: see :func:`impasto.run`.
    """
    asked = asked_for(content, style, preset, config, given)
    options: dict[str, object] = {
        "wait": wait, "warmup": warmup, "active": active, "repeat": repeat,
        "profile_memory": memory, "with_stack": stacks,
    }  # fmt: skip
    return profile_settings(
        asked.settings, Path(folder), options, asked.content, asked.styles, asked.observers,
        asked.documents,
    )  # fmt: skip


def check(
    content: str | PathLike[str] | None,
    style: str | PathLike[str] | Style | Sequence[str | PathLike[str] | Style],
    *,
    preset: str | None = None,
    config: str | PathLike[str] | None = None,
    **given: Unpack[RunKeywords],
) -> Settings:
    """The settings of a run whose names, values and plugins' options are right. No picture is read.

    Args:
        content: see :func:`impasto.run`; so are all others.
        style: one or several pictures.
        preset: name of a preset.
        config: a TOML file of settings.
        given: settings by name.

    Raises:
        ImpastoError: a name or a value that a run would refuse.
    """
    otherwise = "default" if content is not None else "texture"
    settings = asked_for(content, style, preset, config, given, otherwise).settings
    check_specs(build_host(settings.load, settings.plugin), settings)
    return settings


def plugins(plugin: Sequence[str] = (), load: str = "all") -> list[dict[str, object]]:
    """Every plugin with kind, name, help, origin, status and options, as records that JSON can hold.

    Args:
        plugin: files and modules to load as well.
        load: installed plugins to load: ``all``, ``none``, or names with commas between.

    Raises:
        PluginError: one that was named does not load.
        SettingsError: ``load`` names a plugin that is not installed.
    """
    return records(build_host(load, plugin))
