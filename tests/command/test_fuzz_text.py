"""Any text where a SPEC, STYLE, INIT, schedule, name or TOML file is read: taken, or one clear line."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzzing import EDITS, FEW, Edit, edited, many, only_clear_lines, quiet
from helpers import Invoke, Pair, refused
from impasto.builtin import build_host
from impasto.files.names import default_output
from impasto.files.outputs import Outputs
from impasto.host.host import Kind
from impasto.images.writing import SUFFIXES
from impasto.optimization.checks import check_specs
from impasto.optimization.initial_image import (
    INITIAL_IMAGES,
    InitialImageInputs,
    make_initial_image,
)
from impasto.optimization.inputs import InputFiles
from impasto.optimization.schedule import advance, check_schedule, make_schedule, schedule_names
from impasto.optimization.stages import plan_stages
from impasto.settings.input_files import files_of, option_texts, picture_files
from impasto.settings.settings import Settings, gather, validate
from impasto.settings.spec import Spec
from impasto.settings.style import Style

__all__ = ["quiet"]

HOST = build_host("none")
GIVEN: dict[Kind, tuple[object, ...]] = {
    "loss": (),
    "optimizer": ([torch.zeros(1, 3, 16, 16, requires_grad=True)],),
    "canvas": (torch.full((1, 3, 16, 16), 0.5),),
}
"""Kinds of plugins that are made here, and not only checked, with what the engine gives."""
VALUES = [
    *("", "0", "-1", "1", "2.5", "1e400", "-1e400", "nan", "inf", "1e-300", "9" * 30, "9" * 5000),
    *(
        "none",
        "true",
        "conv1_1",
        "conv1_1,conv2_1",
        ",",
        ",,",
        "[1]",
        "{}",
        '"',
        "'a,b'",
        "0x10",
        "1_0",
    ),
    *("\0", "\n", "ü", "\ud800", "/", "~", "%s", "{0}", "a" * 5000),
]
VALUE = st.one_of(st.sampled_from(VALUES), st.text(max_size=8))
ANY = st.text(max_size=40)


def specs(names: list[str], options: list[str]) -> st.SearchStrategy[str]:
    """Text of the form of a SPEC, more or less, of known names and options with any values."""
    one = st.builds(
        "".join,
        st.tuples(st.sampled_from([*options, "x"]), st.sampled_from(["=", "==", " = ", ""]), VALUE),
    )
    return st.builds(
        lambda name, colon, given, tail: name + colon + ",".join(given) + tail,
        st.sampled_from([*names, "x"]),
        st.sampled_from([":", ":", ":", "", "::"]),
        st.lists(one, max_size=3),
        st.one_of(st.just(""), st.text(max_size=3)),
    )


PLUGINS = st.one_of(
    *(
        specs([offered.offer.name], [option.name for option in offered.options])
        for offered in HOST.offered
    )
)
SCHEDULES = specs(schedule_names(), ["T_max", "max_lr", "total_steps", "gamma", "step_size", "patience",
                                     "milestones", "base_lr", "T_0", "power", "epochs"])  # fmt: skip
STYLES = specs(["a.png", "/no/such", "", "C:\\a.png"], ["weight", "scale", "size", "content_mask"])
INITS = specs([*INITIAL_IMAGES, "a.png"], ["colors", "content", "style", "noise"])


def try_plugin(text: str) -> None:
    spec = Spec.parse(text)
    assert Spec.parse(str(spec)).name == spec.name
    for offered in HOST.offered:
        if offered.offer.name == spec.name:
            HOST.check(offered.kind, spec)
            if offered.kind in GIVEN:
                HOST.make(offered.kind, spec, *GIVEN[offered.kind])


def try_schedule(text: str) -> None:
    spec = Spec.parse(text)
    check_schedule(spec)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1, momentum=0.9)
    schedule = make_schedule(spec, optimizer, 3)
    optimizer.step()
    advance(schedule, torch.tensor(1.0))


def try_style(text: str) -> None:
    style = Style.parse(text)
    assert Style.parse(style.as_table()) == style


def try_init(text: str) -> None:
    picture = torch.rand(1, 3, 16, 16)
    made = make_initial_image(text, InitialImageInputs(picture, picture, 16, 16, torch.Generator()))
    assert made.shape == picture.shape


READERS = {
    "plugin": (PLUGINS, try_plugin),
    "schedule": (SCHEDULES, try_schedule),
    "style": (STYLES, try_style),
    "init": (INITS, try_init),
}


def attacked(what: str, options: settings) -> None:
    texts, read = READERS[what]

    @options
    @given(text=st.one_of(texts, texts, texts, ANY))
    def check(text: str) -> None:
        only_clear_lines(lambda: read(text))

    check()


@pytest.mark.parametrize("what", READERS)
def test_any_text(what: str) -> None:
    attacked(what, FEW)


@pytest.mark.slow
@pytest.mark.parametrize("what", READERS)
def test_much_text(what: str) -> None:
    attacked(what, many(0.3))


TOML = b"""
preset = "default"
size = 64
steps = [3, 4]
scales = "32,64"
seed = 7
optimizer = "adam:lr=0.05"
colors = "match"

[[style]]
file = "a.png"
weight = 0.5

[[loss]]
name = "gram"
weight = 300
layers = ["conv1_1", "conv2_1"]
"""
SCALARS = st.one_of(
    st.sampled_from([*(json.dumps(value, ensure_ascii=True) for value in VALUES if value.isprintable())]),
    st.sampled_from(["nan", "-inf", "1979-05-27", "07:32:00", "1979-05-27T07:32:00Z", "[]", "{}", "true",
                     "0", "-1", "16", "9" * 30, "9" * 5000, "0.5", '"random"', '"original"', '"none"']),
)  # fmt: skip
NESTED = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.dictionaries(st.sampled_from(["name", "file", "weight", "layers", "x"]), inner, max_size=3).map(
            lambda table: "{" + ", ".join(f"{key} = {value}" for key, value in table.items()) + "}"
        ),
    ),
    max_leaves=6,
)  # fmt: skip
KEYS = [name for name in Settings.__dataclass_fields__ if name not in ("plugin", "load")]
TABLES = st.dictionaries(st.sampled_from([*KEYS, "preset", "x"]), NESTED, max_size=4)


def try_settings(settings: Settings) -> None:
    """All that a run does with its settings before it reads pictures."""
    outputs = Outputs(force=settings.force)
    outputs.reads(files_of(settings))
    if settings.output is not None:
        outputs.claim(settings.output, suffixes=SUFFIXES)
    with InputFiles(settings.max_megapixels).read_by_plugins(
        [*option_texts(settings), *picture_files(settings)]
    ):
        pass
    plan_stages(settings, 64, 48)
    check_specs(HOST, settings)
    assert validate(settings.as_table()).loss == settings.loss


def try_toml(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    given: dict[str, object] = {"content": "a.png"}
    only_clear_lines(lambda: try_settings(gather(given, None, str(path))))
    only_clear_lines(lambda: gather(given | {"style": "b.png"}, str(path), None))


@FEW
@given(edits=EDITS)
def test_damaged_toml(tmp_path: Path, edits: list[Edit]) -> None:
    try_toml(tmp_path / "a.toml", edited(TOML, edits))


@FEW
@given(table=TABLES)
def test_toml_of_any_values(tmp_path: Path, table: dict[str, str]) -> None:
    lines = "".join(f"{key} = {value}\n" for key, value in table.items())
    try_toml(tmp_path / "a.toml", lines.encode())


@pytest.mark.slow
def test_much_toml(tmp_path: Path) -> None:
    @many(0.3)
    @given(edits=EDITS, table=TABLES)
    def check(edits: list[Edit], table: dict[str, str]) -> None:
        lines = "".join(f"{key} = {value}\n" for key, value in table.items()).encode()
        try_toml(tmp_path / "a.toml", edited(TOML, edits))
        try_toml(tmp_path / "a.toml", lines)

    check()


LETTERS = st.one_of(st.characters(), st.sampled_from("/.-~ \0\n%'\"\ud800畫é"))
NAMES = st.one_of(
    st.text(LETTERS, max_size=40),
    st.builds(str.__mul__, st.text(LETTERS, min_size=1, max_size=3), st.integers(50, 300)),
)
"""Names of files: any characters, short and too long."""


def try_names(folder: Path, content: str, style: str) -> None:
    """Write to the name that a run of two pictures has by default, and to the content's own."""
    for name in (default_output(content, [style]), f"{content}.png"):
        outputs = Outputs(folder=folder)
        only_clear_lines(lambda name=name, outputs=outputs: write(outputs, name))  # type: ignore[misc]
    assert len(os.fsencode(os.path.basename(default_output(content, [style])))) <= 255


def write(outputs: Outputs, name: str) -> None:
    if os.path.isabs(name) or ".." in name:
        return
    path = outputs.claim(name, suffixes=SUFFIXES)
    with outputs.writing(path) as part:
        part.write_bytes(b"whole")
    assert path.read_bytes() == b"whole"
    path.unlink()


@FEW
@given(content=NAMES, style=NAMES)
def test_any_names(tmp_path: Path, content: str, style: str) -> None:
    try_names(tmp_path, content, style)


@pytest.mark.slow
def test_many_names(tmp_path: Path) -> None:
    @many(0.3)
    @given(content=NAMES, style=NAMES)
    def check(content: str, style: str) -> None:
        try_names(tmp_path, content, style)

    check()


def test_toml_that_nests_without_end(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    path = tmp_path / "deep.toml"
    path.write_text("loss = " + "[" * 100_000)
    line = refused(invoke("run", pair.content, pair.style, "--config", path))
    assert line.startswith(f"config file '{path}' is not valid TOML: ")


LONG = "a" * 5000


@pytest.mark.parametrize(
    "options",
    [
        ("--loss", LONG), ("--loss", "gram:weight=" + "9" * 5000), ("--loss", "gram:layers="),
        ("--loss", "gram:layers=,"), ("--loss", "gram:weight='"), ("--optimizer", "adam:lr=1e400"),
        ("--canvas", "fourier:power=\n"), ("--schedule", "StepLR:step_size=0"),
        ("--schedule", "CyclicLR:base_lr=x,max_lr=1"), ("--style", "b.png:weight=-1"),
        ("--style", f"{LONG}.png"), ("--init", LONG), ("--init", "noise:colors=blue"),
        ("--init", "blend:content=nan,noise=1"), ("-o", f"{LONG}.png"), ("--checkpoint", LONG),
        ("--plugin", f"{LONG}.py"), ("--plugin", ".."), ("--config", LONG), ("--preset", f"{LONG}.toml"),
        ("--device", "cuda:99"), ("--device", LONG), ("--size", "9" * 30), ("--size", "9" * 5000),
        ("--extractor", f"vgg19:weights={LONG}"), ("--callback", f"log:file={LONG}"),
        ("--style", "b.png:content_mask=" + LONG), ("--scales", "99999999999999999999,32"),
    ],
)  # fmt: skip
def test_odd_options(
    invoke: Invoke,
    pair: Pair,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, str],
) -> None:
    monkeypatch.chdir(tmp_path)
    given = ("run", pair.content, pair.style, "--size", "32", "--steps", "2", *options)
    done = invoke(*given)
    assert "bug in Impasto" not in refused(done)
