"""All messages on one page: the page has them, and they keep to the rules for words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from messages import Message, messages, of_source, page

ALL = messages()

NOT_YET: set[str] = set()
"""Files that still name options of the command line in a message; none may be added."""

FOR_OTHER_PROGRAMS = ("pip install --", "tensorboard --")

BANNED = (
    "rectifier",
    "way back",
    "no number",
    "defect",
    "valid tuple",
    "dearest",
    "shortage",
    "beside",
)
"""Words for which the field has a better one, or that tell a user nothing."""


def test_the_page_has_messages_of_all_kinds(tmp_path: Path) -> None:
    assert len(ALL) > 150
    assert {"SettingsError", "PictureError", "PluginError", "warning", "info"} <= {
        one.kind for one in ALL
    }
    assert "SettingsError: a sweep needs at least one setting to vary: key=value,value" in page()


def test_messages_are_read_from_any_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("messages.ROOT", tmp_path)
    file = tmp_path / "some.py"
    file.write_text(
        'raise A(f"one {x!r} two" + "; three")\nraise errors.B("four " "five", settings=("a",))\n'
        'logger.warning("six %s", x)\nprint("no")\nraise\nraise C(x)\n'
    )
    assert list(of_source(file)) == [
        Message("some.py", 1, "A", "one {…} two; three"),
        Message("some.py", 2, "B", "four five"),
        Message("some.py", 3, "warning", "six %s"),
    ]


def test_the_library_names_no_options_of_the_command_line() -> None:
    found = {
        one.file
        for one in ALL
        if re.search(r"--[a-z]", one.text)
        and not one.file.startswith(
            ("engine/impasto/command/", "profiling/impasto_profiling/bench/")
        )
        and not any(word in one.text for word in FOR_OTHER_PROGRAMS)
    }
    assert found - NOT_YET == set()


@pytest.mark.parametrize("word", BANNED)
def test_no_message_has_a_word_that_tells_nothing(word: str) -> None:
    assert [one for one in ALL if re.search(rf"\b{word}\b", one.text)] == []
