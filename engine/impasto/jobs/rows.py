"""Jobs from a file of rows, TOML, CSV or JSON lines, and from pictures in folders."""

from __future__ import annotations

import csv
import glob
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from impasto.errors import ImpastoError, SettingsError, one_line
from impasto.files.names import default_output, free_name
from impasto.files.urls import is_url, opened
from impasto.jobs.batch import check_jobs, refuse
from impasto.jobs.job import Job, at
from impasto.jobs.own_files import with_own_files
from impasto.settings.document import MEGABYTE, read_document
from impasto.settings.plain_json import from_json
from impasto.settings.preset import read_toml
from impasto.settings.settings import Settings, gather, wanted_of
from impasto.settings.style import STYLE_FILE, Style

ROWS = (".toml", ".csv", ".jsonl")
"""Suffixes of files of rows."""

LARGEST = 100 * MEGABYTE
"""Bytes of a file of rows."""

SEVERAL = ("style", "loss", "callback", "plugin")
"""Settings of which a cell of CSV may have several, with semicolons between."""

MORE_PICTURES = (".heic", ".heif", ".jxl", ".avif")
"""Suffixes of pictures that Pillow reads by plugins alone."""

Row = dict[str, Any]


def jobs_of_rows(
    file: str, given: Mapping[str, object], preset: str | None, config: str | None
) -> list[Job]:
    """The jobs of a file: one a row, or one a table ``[[job]]``.

    What is given wins over the row, the row over the config, and that over the preset.

    Args:
        file: ends in ``.toml``, ``.csv`` or ``.jsonl``.
        given: settings of all jobs, by name.
        preset: name of a preset; None takes the row's, the config's, or ``default``.
        config: a TOML file of settings.

    Raises:
        SettingsError: the file cannot be read, or a row is wrong; several are logged, a line each.
    """
    jobs: list[Job] = []
    errors: list[ImpastoError] = []
    for number, row in enumerate(read_rows(file), 1):
        place = f"row {number}"
        try:
            named = row.pop("preset", None)
            refuse_random({**row, **given})
            wanted_of(f"file '{file}'", file, row, given)
            settings = gather({**row, **given}, preset or named, config)
            jobs.append(Job.of(settings, place))
        except ImpastoError as error:
            errors.append(at(place, error))
    refuse(errors)
    return with_own_callback_files(jobs)


def refuse_random(given: Mapping[str, object]) -> None:
    """Refuse a seed that is drawn anew by each call: no job would ever be done.

    Raises:
        SettingsError: with what to do.
    """
    if given.get("seed") == "random":
        raise SettingsError(
            "seed random draws another seed in each call, and no job would ever be done: give a number",
            settings=("seed",),
        )


def with_own_callback_files(jobs: list[Job]) -> list[Job]:
    """The jobs; where callbacks of several would write the same file, each writes one of its own.

    Raises:
        ImpastoError: a job that cannot be painted; see :func:`impasto.jobs.batch.check_jobs`.
    """
    if not any(job.settings.callback for job in jobs):
        return jobs
    check_jobs(jobs)
    runs = with_own_files([(Path(job.output).stem, job.settings) for job in jobs])
    return [Job.of(one, job.place) for (_, one), job in zip(runs, jobs, strict=True)]


def read_rows(file: str) -> list[Row]:
    """The rows of a file as tables of settings.

    Raises:
        SettingsError: it cannot be read, or is not of its form.
    """
    what, suffix = f"file '{file}'", Path(file).suffix.lower()
    if suffix == ".toml":
        return _rows_of_toml(read_toml(Path(file), what), what)
    try:
        text = read_document(file, what, LARGEST, SettingsError).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError(f"{what} is not text in UTF-8: {error}") from None
    rows = _rows_of_csv(text, what) if suffix == ".csv" else _rows_of_json(text, what)
    if not rows:
        raise SettingsError(f"{what} has no rows")
    return rows


def _rows_of_toml(table: Row, what: str) -> list[Row]:
    table.pop("about", None)
    rows = table.pop("job", None)
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise SettingsError(f"{what} has no tables [[job]]")
    return [{**table, **row} for row in rows]


def _rows_of_csv(text: str, what: str) -> list[Row]:
    try:
        table = list(csv.reader(io.StringIO(text), strict=True))
    except csv.Error as error:
        raise SettingsError(f"{what} is not valid CSV: {error}") from None
    names, *lines = [[cell.strip() for cell in line] for line in table if any(line)] or [[]]
    for name in names:
        if name and names.count(name) > 1:
            raise SettingsError(f"{what} has the name '{name}' in two columns")
    for number, line in enumerate(lines, 1):
        if len(line) > len(names):
            raise SettingsError(
                f"{what}, row {number} has more cells than the first line has names"
            )
    return [
        {name: _cell(name, cell) for name, cell in zip(names, line, strict=False) if cell}
        for line in lines
    ]


def _cell(name: str, cell: str) -> object:
    return [part.strip() for part in cell.split(";")] if name in SEVERAL else cell


def _rows_of_json(text: str, what: str) -> list[Row]:
    rows: list[Row] = []
    for line in filter(str.strip, text.splitlines()):
        place = f"{what}, row {len(rows) + 1}"
        try:
            row = from_json(line)
        except ValueError as error:
            raise SettingsError(f"{place} is not valid JSON: {error}") from None
        if not isinstance(row, dict):
            raise SettingsError(f"{place} is not an object with settings")
        rows.append(row)
    return rows


def contents_in(names: Iterable[str]) -> list[str]:
    """The content pictures that are meant: files, those of folders, and those that fit a pattern.

    Raises:
        SettingsError: a folder without pictures, or a pattern that none fits.
    """
    return [file for name in names for file in files_in(name, "content", picture_suffixes())]


def styles_in(names: Iterable[str]) -> list[Style]:
    """The same for style pictures and style files; options after a colon are those of each.

    Raises:
        SettingsError: as for :func:`contents_in`; or an option does not fit.
    """
    suffixes = {*picture_suffixes(), STYLE_FILE}
    return [
        replace(style, file=file)
        for style in map(Style.parse, names)
        for file in files_in(style.file, "style", suffixes)
    ]


def files_in(name: str, what: str, suffixes: Iterable[str]) -> list[str]:
    """The files that a name stands for, in the order of their names.

    Args:
        name: of a file, a folder, or a pattern as ``photos/*.jpg``.
        what: ``content`` or ``style``, for errors.
        suffixes: those that count in a folder and by a pattern.

    Raises:
        SettingsError: there are none.
    """
    if is_url(name):
        return urls_in(name, what, tuple(suffixes))
    if os.path.isdir(name):
        found = [os.path.join(name, one) for one in os.listdir(name) if not one.startswith(".")]
    elif os.path.lexists(name) or not glob.has_magic(name):
        return [name]
    else:
        found = glob.glob(name, recursive=True)
    allowed = tuple(suffixes)
    files = [one for one in sorted(found) if one.lower().endswith(allowed) and os.path.isfile(one)]
    if not files:
        kind = "folder" if os.path.isdir(name) else "pattern"
        raise SettingsError(f"{what} {kind} '{name}' has no pictures")
    return files


def urls_in(url: str, what: str, suffixes: tuple[str, ...]) -> list[str]:
    """The same for a URL: of a file, of a folder if it ends with a slash, or a pattern.

    Raises:
        SettingsError: there are none.
    """
    if not url.endswith("/") and not glob.has_magic(url):
        return [url]
    try:
        system, path = opened(url)
        names = system.glob(f"{path.rstrip('/')}/*" if url.endswith("/") else path)
        found = [system.unstrip_protocol(name) for name in sorted(names)]
    except SettingsError:
        raise
    except Exception as error:
        raise SettingsError(f"{what} '{url}' cannot be listed: {one_line(str(error))}") from None
    if not (files := [one for one in found if one.lower().endswith(suffixes)]):
        raise SettingsError(f"{what} '{url}' has no pictures")
    return files


def picture_suffixes() -> set[str]:
    """The suffixes of pictures, with their dots."""
    return {*Image.registered_extensions(), *MORE_PICTURES} - {".pdf", ".mpg", ".mpeg"}


def jobs_of_pairs(
    contents: Sequence[str],
    styles: Sequence[Style],
    given: Mapping[str, object],
    preset: str | None,
    config: str | None,
) -> list[Job]:
    """A job for each content in each style; those of one style follow one another, to share it.

    Args:
        contents: picture files.
        styles: style pictures or files.
        given: settings of all jobs, by name.
        preset: see :func:`impasto.settings.settings.gather`.
        config: the same.

    Raises:
        SettingsError: a setting does not fit.
        ImpastoError: an input cannot be read.
    """
    refuse_random(given)
    common = gather({**given, "content": contents[0], "style": styles[0]}, preset, config)
    return paired(common, [(content, (style,)) for style in styles for content in contents])


def jobs_of_pictures(
    contents: Sequence[str],
    given: Mapping[str, object],
    preset: str | None,
    config: str | None,
) -> list[Job]:
    """A job for each content, all with the style, or the styles together, of the settings.

    Args:
        contents: picture files.
        given: settings of all jobs, by name.
        preset: see :func:`impasto.settings.settings.gather`.
        config: the same.

    Raises:
        SettingsError: a setting does not fit, or there is no style.
        ImpastoError: an input cannot be read.
    """
    refuse_random(given)
    common = gather({**given, "content": contents[0]}, preset, config)
    return paired(common, [(content, common.style) for content in contents])


def paired(common: Settings, pairs: Iterable[tuple[str, tuple[Style, ...]]]) -> list[Job]:
    """A job for each content with its styles, each with a name of its own.

    Raises:
        ImpastoError: an input cannot be read.
    """
    jobs: list[Job] = []
    names: list[str] = []
    for content, styles in pairs:
        names.append(free_name(default_output(content, styles), names))
        jobs.append(job_of_pair(common, content, styles, names[-1]))
    return with_own_callback_files(jobs)


def job_of_pair(common: Settings, content: str, styles: Sequence[Style], output: str) -> Job:
    """The job of one content and its styles.

    Raises:
        ImpastoError: an input cannot be read.
    """
    settings = replace(common, content=content, style=tuple(styles), output=output)
    place = f"{os.path.basename(content)} as {', '.join(os.path.basename(s.file) for s in styles)}"
    try:
        return Job.of(settings, place)
    except ImpastoError as error:
        raise at(place, error) from None
