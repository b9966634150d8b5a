"""The manifest: a line is there whole or not at all, and damage is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from impasto.errors import OutputError
from impasto.jobs.manifest import KILLS, NAME, Manifest, is_being_painted, opened

JOB = {"job": "k", "output": "a.png", "place": "row 1", "settings": {}}


def test_what_was_added_is_read_again(tmp_path: Path) -> None:
    with opened(tmp_path) as manifest:
        for line in ({"format": 1, "batch": "batch x"}, JOB, {"jobs": ["k"]}):
            manifest.add(line)
        manifest.add({"job": "k", "status": "failed", "error": "no paint"})
        assert manifest.status("k") == "failed"
    again = Manifest(tmp_path)
    assert (again.batch, again.keys, again.status("k")) == ("batch x", ["k"], "failed")
    assert again.error("k") == "no paint"
    assert again.written == {"a.png"}


def test_a_torn_line_is_none_and_the_next_one_is_whole(tmp_path: Path) -> None:
    with opened(tmp_path) as manifest:
        manifest.add(JOB)
        manifest.add({"job": "k", "status": "started"})
    with (tmp_path / NAME).open("a") as file:
        file.write('{"job": "k", "status": "fai')
    assert Manifest(tmp_path).status("k") == "waiting"
    with opened(tmp_path) as manifest:
        manifest.add({"job": "k", "status": "failed"})
    assert Manifest(tmp_path).status("k") == "failed"
    lines = (tmp_path / NAME).read_text().splitlines()
    assert [json.loads(line).get("status") for line in lines] == [None, "started", "failed"]


def test_what_an_earlier_call_started_does_not_run(tmp_path: Path) -> None:
    with opened(tmp_path) as manifest:
        manifest.add(JOB)
        assert is_being_painted(tmp_path)
        for line, running, ended in (
            ({"job": "k", "status": "started"}, {"k"}, 0),
            ({"called": 3.5}, set(), 0),
            ({"job": "k", "status": "started"}, {"k"}, 0),
            ({"job": "k", "status": "failed"}, set(), 1),
        ):
            manifest.add(line)
            again = Manifest(tmp_path)
            assert (again.running, again.ended) == (running, ended)
        assert again.called == 3.5
    assert not is_being_painted(tmp_path)
    assert not is_being_painted(tmp_path / "none")


def test_done_counts_only_with_its_picture(tmp_path: Path) -> None:
    with opened(tmp_path) as manifest:
        manifest.add(JOB)
        manifest.add({"job": "k", "status": "done"})
        assert manifest.status("k") == "waiting"
        (tmp_path / "a.png").touch()
        assert manifest.status("k") == "done"


def test_kills_are_counted_until_a_retry(tmp_path: Path) -> None:
    with opened(tmp_path) as manifest:
        manifest.add(JOB)
        for _ in range(KILLS):
            assert manifest.status("k") == "waiting"
            manifest.add({"job": "k", "status": "killed"})
        assert manifest.status("k") == "set aside"
        manifest.add({"job": "k", "status": "retry"})
        assert manifest.status("k") == "waiting"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("hello\n", "is damaged in line 1"),
        ('{"job": 3}\n', "is damaged in line 1: entry 'job'"),
        ('{"job": "k"}\n[]\n', "is damaged in line 2"),
        ('{"job": "k", "status": "lost"}\n', "unknown value for entry 'status': 'lost'"),
        ('{"format": 99, "batch": "x"}\n', "is of another version of Impasto"),
    ],
)
def test_what_is_no_manifest_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / NAME).write_text(text)
    with pytest.raises(OutputError, match="manifest '") as caught:
        Manifest(tmp_path)
    assert complaint in str(caught.value)


def test_two_cannot_paint_in_one_folder(tmp_path: Path) -> None:
    with (
        opened(tmp_path),
        pytest.raises(OutputError, match="another process paints a batch in"),
        opened(tmp_path),
    ):
        pass
