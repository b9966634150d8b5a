"""SPEC strings, TOML files, presets, and which of them wins."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import Invoke, Pair
from impasto.errors import SettingsError
from impasto.files.names import default_output
from impasto.settings.settings import Settings, gather, validate
from impasto.settings.spec import Spec

BOTH = {"content": "a.jpg", "style": "b.jpg"}


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("gram", {}),
        ("gram:", {}),
        ("gram:weight=2", {"weight": "2"}),
        (
            "gram:layers=conv1_1,conv2_1,weight=2",
            {"layers": "conv1_1,conv2_1", "weight": "2"},
        ),
        ('log:file="a,b=c.txt",every=2', {"file": "a,b=c.txt", "every": "2"}),
        ("log:file=C:\\new\\log.txt", {"file": "C:\\new\\log.txt"}),
    ],
)
def test_spec_is_read(text: str, options: dict[str, str]) -> None:
    spec = Spec.parse(text)
    assert spec.name == text.partition(":")[0]
    assert spec.options == options


NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)
VALUES = st.one_of(
    st.integers(), st.text(alphabet="abc,=. ", min_size=1, max_size=8).filter(str.strip)
)


@given(NAMES, st.dictionaries(NAMES, VALUES, max_size=3))
def test_spec_survives_being_written_and_read(name: str, options: dict[str, object]) -> None:
    again = Spec.parse(str(Spec(name, options)))
    assert again.name == name
    assert {key: str(value).strip() for key, value in options.items()} == {
        key: str(value).strip() for key, value in again.options.items()
    }


def test_command_line_wins_over_file_and_file_over_preset(tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text('preset = "notebook"\nsteps = 7\nsize = 100\n')
    settings = gather({**BOTH, "size": "64"}, None, str(config))
    assert settings.size == 64, "the command line"
    assert settings.steps == (7,), "the file"
    assert settings.canvas == Spec("normalized"), "the preset"
    assert gather({**BOTH}, "quick", str(config)).canvas == Spec("pixels"), "a preset by option"


def test_a_toml_file_can_hold_all_of_it(invoke: Invoke, pair: Pair, tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    out = tmp_path / "out.png"
    config.write_text(f"""
        content = '{pair.content}'
        style = '{pair.style}'
        output = '{out}'
        size = 32
        steps = 2
        init = "style"
        seed = 5
        callback = "log:file={tmp_path / "log.jsonl"}"

        [extractor]
        name = "vgg19"
        pooling = "average"

        [[loss]]
        name = "gram"
        layers = ["conv1_1"]
        weight = 2.5

        [[loss]]
        name = "content"
        layers = ["conv1_1"]
    """)
    done = invoke("run", "--config", config)
    assert done.status == 0, done.err
    assert out.is_file()
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 2


def test_settings_survive_being_written_as_a_table() -> None:
    settings = gather({**BOTH, "callback": ["log:file=x,every=2"]}, "gatys2016", None)
    assert validate(settings.as_table()) == settings


def test_presets_set_only_known_settings() -> None:
    for path in Path(impasto_presets()).glob("*.toml"):
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        assert table.pop("about").endswith(".")
        assert isinstance(validate({**BOTH, **table}), Settings)


def impasto_presets() -> str:
    from impasto.settings.preset import PRESETS

    return str(PRESETS)


def test_name_of_the_output_comes_from_both_inputs(
    invoke: Invoke, pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert default_output("photos/town.jpg", ("a/night.png",)) == "town_as_night.png"
    monkeypatch.chdir(tmp_path)
    done = invoke("run", pair.content, pair.style, "--size", 32, "--steps", 1, "--loss", "tv")
    assert done.status == 0, done.err
    assert (tmp_path / "content_as_style.png").is_file()


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("size", "big", "must be a whole number ≥ 16 or 'original' or 'WxH', not 'big'"),
        ("size", 8, "must be greater than or equal to 16, not 8"),
        ("steps", "many", "must be a list of whole numbers ≥ 1, not 'many'"),
        (
            "scales",
            "x",
            "must be 'single' or 'pyramid' or 'doubling' or 'octaves' or a list of whole numbers ≥ 16, not"
            " 'x'",
        ),
        ("quality", "best", "must be a whole number ≥ 1 and ≤ 100, not 'best'"),
        ("recipe", "maybe", "must be true or false, not 'maybe'"),
        ("init", 3, "must be text, not 3"),
        ("style_weight", -1, "must be greater than or equal to 0, not -1"),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_allowed(name: str, value: object, line: str) -> None:
    with pytest.raises(SettingsError, match=f"^setting '{name}': {re.escape(line)}$"):
        validate({**BOTH, name: value})
