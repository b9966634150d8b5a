"""The studio by HTTP: uploads, orders, the queue, results; hostile ones, too."""

from __future__ import annotations

import hashlib
import json
import shlex
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from PIL import Image, PngImagePlugin

import impasto
from helpers import Install, Invoke, Pair
from impasto.command.main import group
from impasto_plugins.studio import runs, uploads
from impasto_plugins.studio.studio import Studio, form
from served import line_of, origin_of, visitor

SETTINGS: dict[str, Any] = {
    "size": 32, "scales": "single", "steps": 4, "extractor": {"name": "random"},
    "loss": [
        {"name": "content", "layers": "conv2_1"},
        {"name": "gram", "layers": "conv1_1,conv2_1", "weight": 10},
    ],
}  # fmt: skip
LONG = {**SETTINGS, "steps": 100_000}


THEIRS = """
import impasto
from typing import Annotated
from pydantic import Field

def theirs(strength: Annotated[float, Field(gt=0, description="how much")] = 1.0):
    raise ValueError

@impasto.hookimpl
def impasto_losses():
    return [impasto.Offer("theirs", theirs, "a loss of others")]
"""


@pytest.fixture
def client(studio: Studio) -> Iterator[httpx.Client]:
    with visitor(studio.address) as one:
        yield one


def uploaded(client: httpx.Client, path: Path, name: str | None = None) -> str:
    answer = client.post(
        "/api/uploads", content=path.read_bytes(), headers={"X-Name": name or path.name}
    )
    assert answer.status_code == 200, answer.text
    identifier: str = answer.json()["id"]
    return identifier


@pytest.fixture
def order(client: httpx.Client, pair: Pair) -> dict[str, Any]:
    """What the form sends for a small run of two uploads."""
    content, style = uploaded(client, pair.content), uploaded(client, pair.style)
    return {
        "content": content,
        "styles": [{"id": style}],
        "preset": "default",
        "settings": SETTINGS,
    }


def record_of(studio: Studio, identifier: str, *states: str) -> dict[str, Any]:
    """What the studio knows of a run once it is in one of some states."""
    deadline = time.monotonic() + 240
    while studio.runs.records[identifier]["status"] not in states:
        assert time.monotonic() < deadline, studio.runs.records[identifier]
        time.sleep(0.02)
    return studio.runs.records[identifier]


def started(client: httpx.Client, order: dict[str, Any], **settings: object) -> str:
    asked = {**order, "settings": {**order["settings"], **settings}}
    answer = client.post("/api/runs", json=asked)
    assert answer.status_code == 200, answer.text
    identifier: str = answer.json()["id"]
    return identifier


def test_a_run_from_upload_to_result_and_once_more(
    studio: Studio, client: httpx.Client, order: dict[str, Any], invoke: Invoke, tmp_path: Path
) -> None:
    first = started(client, order)
    assert record_of(studio, first, "done", "failed")["line"] == ""
    data = client.get(f"/api/runs/{first}/file").content
    recipe = client.get(f"/api/runs/{first}/recipe").json()
    assert (recipe["steps"], recipe["settings"]["size"]) == (4, 32)
    for kind in ("small", "picture"):
        answer = client.get(f"/api/runs/{first}/{kind}")
        assert answer.headers["content-type"] == "image/jpeg"
    second = client.post(f"/api/runs/{first}/rerun", json={}).json()["id"]
    record_of(studio, second, "done")
    assert client.get(f"/api/runs/{second}/file").content == data
    # The command that was shown gives the same picture; its recipe has the options as text.
    words = words_of(studio.runs.records[first]["command"])
    done = invoke(*words, "-o", tmp_path / "same.png")
    assert done.status == 0, done.err
    with Image.open(tmp_path / "same.png") as same, Image.open(BytesIO(data)) as picture:
        assert same.tobytes() == picture.tobytes()


def words_of(command: str) -> list[str]:
    """The words after ``impasto`` of a command for a shell."""
    words = shlex.split(command)
    assert words[0] == "impasto"
    return words[1:]


@pytest.mark.slow
def test_one_run_at_a_time_and_the_next_after_it(
    studio: Studio, client: httpx.Client, order: dict[str, Any]
) -> None:
    first, second, third = (
        started(client, order, steps=100_000),
        started(client, order),
        started(client, order),
    )
    record_of(studio, first, "running")
    assert studio.runs.records[second]["status"] == "waiting"
    assert client.post(f"/api/runs/{third}/remove", json={}).status_code == 200
    assert (
        line_of(client.post(f"/api/runs/{first}/remove", json={}))
        == "this run paints; stop it first"
    )
    wait_for_steps(studio, 2)
    assert client.post("/api/steer", json={"do": "stop"}).status_code == 200
    assert record_of(studio, first, "done")["stopped"] == "on the page"
    record_of(studio, second, "done")
    assert third not in studio.runs.records


def wait_for_steps(studio: Studio, steps: int) -> None:
    deadline = time.monotonic() + 240
    while not (
        studio.hub.board and studio.hub.board.rows and studio.hub.board.rows[-1][0] >= steps
    ):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_steering_by_http(studio: Studio, client: httpx.Client, order: dict[str, Any]) -> None:
    identifier = started(client, order, steps=100_000)
    wait_for_steps(studio, 2)
    board = studio.hub.board
    assert board is not None

    def steer(**message: object) -> httpx.Response:
        return client.post("/api/steer", json=message)

    assert steer(do="pause").status_code == 200
    assert line_of(steer(do="weight", term="gramm", value=3)).startswith(
        "unknown term 'gramm'; did you mean"
    )
    assert "must be a number" in line_of(steer(do="weight", term="gram", value="3"))
    assert "one style" in line_of(steer(do="style", number=0, value=3))
    assert "cannot go back" in line_of(steer(do="rewind", step=10**9))
    assert line_of(steer(do="fly")).startswith("unknown command 'fly'")
    assert steer(do="weight", term="gram", value=30).status_code == 200
    until(lambda: board.state["weights"]["gram"] == 30)
    assert "weight gram = 30" in board.state["changes"][0]
    with Image.open(BytesIO(steer(do="look").content)) as close:
        assert close.size == (32, 24)
    saved = steer(do="save", format="TIFF")
    assert saved.headers["content-type"] == "image/tiff"
    path = studio.folder / "kept.tiff"
    path.write_bytes(saved.content)
    recipe = impasto.plugin.read_recipe(path)
    assert recipe["settings"]["depth"] == 16
    assert len(recipe["changes"]) == 1
    assert line_of(steer(do="save", format="BMP")).startswith("unknown format 'BMP'")
    kept = board.state["snapshots"]
    assert steer(do="rewind", step=kept[0]).status_code == 200
    until(lambda: all(row[0] <= kept[0] for row in board.rows))
    assert steer(do="one_step").status_code == 200
    until(lambda: bool(board.rows) and board.rows[-1][0] == kept[0] + 1)
    assert steer(do="stop").status_code == 200
    record_of(studio, identifier, "done")
    assert line_of(steer(do="pause")) == "the run does not paint now"


def until(true: Any) -> None:
    deadline = time.monotonic() + 120
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
def test_the_studio_ends_in_the_middle_of_a_run_and_goes_on_later(
    studio: Studio, client: httpx.Client, order: dict[str, Any], pair: Pair
) -> None:
    identifier = started(client, order, steps=60)
    wait_for_steps(studio, 2)
    client.post("/api/steer", json={"do": "pause"})
    studio.stop()
    record = studio.runs.records[identifier]
    assert record["status"] == "interrupted"
    assert "the picture after" in record["line"]
    assert record["picture"]
    again = Studio(studio.folder, "127.0.0.1", 0)
    again.start()
    try:
        with visitor(again.address) as other:
            assert other.post(f"/api/runs/{identifier}/resume", json={}).status_code == 200
            done = record_of(again, identifier, "done", "failed")
            assert (done["status"], done["steps"]) == ("done", 60)
    finally:
        again.stop()


@pytest.mark.slow
def test_a_run_that_is_killed_takes_nothing_with_it(
    studio: Studio, client: httpx.Client, order: dict[str, Any]
) -> None:
    identifier = started(client, order, steps=100_000)
    wait_for_steps(studio, 2)
    assert studio.runs.active is not None
    studio.runs.active.process.kill()
    record = record_of(studio, identifier, "failed")
    assert record["line"].startswith("its process was ended by the system (status -9)")
    record_of(studio, started(client, order), "done")


REFUSED = [
    ({"styles": []}, "choose a painting for the style"),
    ({"styles": [{"id": "../../etc/passwd"}]}, "there is no such picture"),
    ({"styles": [{"id": "/etc/passwd"}]}, "there is no such picture"),
    ({"content": "0" * 24}, "there is no such picture"),
    ({"content": ["a"]}, "there is no such picture"),
    ({"preset": "mine.toml"}, "unknown preset 'mine.toml'"),
    ({"preset": "defalt"}, "did you mean 'default'?"),
    ({"settings": {"output": "/tmp/a.png"}}, "the page cannot give the setting 'output'"),
    ({"settings": {"plugin": ["evil.py"]}}, "the page cannot give the setting 'plugin'"),
    ({"settings": {"callback": ["log:file=a"]}}, "the page cannot give the setting 'callback'"),
    ({"settings": {"checkpoint": "a"}}, "the page cannot give the setting 'checkpoint'"),
    ({"settings": {"config": "a.toml"}}, "unknown setting 'config'"),
    ({"settings": {"force": True}}, "the page cannot give the setting 'force'"),
    ({"settings": {"init": "/etc/passwd"}}, "names no files"),
    ({"settings": {"init": "setup.cfg"}}, "the page starts from content, style"),
    ({"settings": {"extractor": {"name": "vgg19", "weights": "../w.pth"}}}, "names no files"),
    ({"settings": {"extractor": {"name": "vgg19", "weights": "http://evil.example/w"}}}, "names no files"),
    ({"settings": {"loss": "temporal:picture=/etc/passwd"}}, "names no files"),
    ({"settings": {"size": 3}}, "setting 'size'"),
    ({"settings": {"loss": "gramm"}}, "did you mean 'gram'?"),
    ({"settings": {"loss": {"name": "gram", "weight": "heavy"}}}, "option 'weight'"),
    ({"settings": []}, "settings are given by name"),
    ({"settings": "x"}, "settings are given by name"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "line"), REFUSED)
def test_what_the_browser_may_not_ask_for(
    client: httpx.Client, order: dict[str, Any], change: dict[str, Any], line: str
) -> None:
    for path in ("/api/check", "/api/runs"):
        assert line in line_of(client.post(path, json={**order, **change}))
    assert client.get("/api/mode").status_code == 200


def test_words_are_words_whatever_lies_in_the_working_folder(
    client: httpx.Client, order: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("match", "lbfgs", "noise"):
        (tmp_path / name).write_text("")
    words = {**SETTINGS, "colors": "match", "optimizer": "lbfgs", "init": "noise:colors=style"}
    answer = client.post("/api/check", json={**order, "settings": words})
    assert answer.status_code == 200, answer.text


def hostile_pictures(tmp_path: Path, pair: Pair) -> dict[str, bytes]:
    whole = pair.content.read_bytes()
    bomb = tmp_path / "bomb.png"
    Image.new("1", (20_000, 20_000)).save(bomb)
    told = PngImagePlugin.PngInfo()
    told.add_text("comment", "<script>alert(1)</script>" * 10)
    return {
        "nothing": b"",
        "a page": b"<html><script>alert(1)</script></html>",
        "a drawing with a script": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        "a recipe that says it is a picture": json.dumps({"format": 1, "settings": {}}).encode(),
        "a preset": b'preset = "default"\nplugin = ["evil.py"]\n',
        "cut short": whole[: len(whole) // 2],
        "a bomb": bomb.read_bytes(),
        "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\nshowpage\n",
        "a program": b"\x7fELF" + bytes(1000),
    }


def test_hostile_uploads_are_one_line_and_leave_nothing(
    studio: Studio, client: httpx.Client, pair: Pair, tmp_path: Path
) -> None:
    for what, data in hostile_pictures(tmp_path, pair).items():
        answer = client.post("/api/uploads", content=data, headers={"X-Name": f"{what}.png"})
        line = line_of(answer)
        assert f"{what}.png" in line, line
        assert str(tmp_path) not in line
    assert list((studio.folder / "uploads").iterdir()) == []


def test_an_upload_that_is_too_large(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MOST_BYTES", 10**6)
    answer = client.post("/api/uploads", content=(bytes(10_000) for _ in range(1000)))
    assert answer.status_code == 413
    assert line_of(answer) == "'picture' has more than 1 MB, the most that are taken"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\a\\b.png", "b.png"),
        ("%00a\x7f", "a"),
        ("", "picture"),
        ("n" * 500, "n" * 120),
    ],
)
def test_names_of_uploads_are_shown_and_name_no_file(
    studio: Studio, client: httpx.Client, pair: Pair, name: str, shown: str
) -> None:
    data = pair.content.read_bytes()
    answer = client.post("/api/uploads", content=data, headers={"X-Name": name})
    assert answer.json()["name"] == shown
    expected = hashlib.sha256(data).hexdigest()[:24]
    assert {path.stem for path in (studio.folder / "uploads").iterdir()} == {expected}


@pytest.mark.parametrize("path", [
    "/api/uploads/..%2f..%2fetc%2fpasswd", "/api/uploads/%2fetc%2fpasswd", "/api/runs/..%2f..%2fx/file",
    "/api/runs/../../x/picture", "/api/runs/%2e%2e/recipe", f"/api/runs/{'0' * 24}/small",
])  # fmt: skip
def test_identifiers_lead_nowhere_else(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code in (400, 404)
    assert "root:" not in answer.text


@pytest.mark.slow
def test_the_queue_is_bounded(
    client: httpx.Client, order: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "MOST_WAITING", 1)
    for _ in range(2):
        started(client, order, steps=100_000)
    assert line_of(client.post("/api/runs", json=order)) == "1 runs wait already; let one end first"
    client.post("/api/steer", json={"do": "stop"})


def test_the_form_has_all_settings_and_parts_that_the_page_may_give(client: httpx.Client) -> None:
    about = client.get("/api/studio").json()
    names = {one["name"] for one in about["settings"]}
    assert {"size", "steps", "loss", "optimizer", "device", "quality"} <= names
    assert not names & {
        "output",
        "plugin",
        "callback",
        "checkpoint",
        "trust",
        "force",
        "load",
        "regions",
    }
    assert {one["name"] for one in about["parts"]} >= {"gram", "vgg19", "lbfgs", "pixels"}
    assert {"default", "quick"} <= set(about["presets"])


def test_the_form_has_parts_of_plugins_that_others_wrote(
    client: httpx.Client, install: Install
) -> None:
    install("theirs", THEIRS)
    form.cache_clear()
    try:
        parts = client.get("/api/studio").json()["parts"]
    finally:
        form.cache_clear()
    (found,) = (one for one in parts if one["name"] == "theirs")
    assert (found["kind"], found["origin"]) == ("loss", "theirs 1.2")
    options = [(one["name"], one["type"], one["help"]) for one in found["options"]]
    assert ("strength", "number > 0", "how much") in options


def test_masks_and_several_styles_reach_the_command(
    client: httpx.Client, order: dict[str, Any], tmp_path: Path
) -> None:
    Image.new("L", (64, 48), "white").save(tmp_path / "mask.png")
    mask = uploaded(client, tmp_path / "mask.png")
    style = {
        **order["styles"][0],
        "weight": 0.5,
        "scale": 2,
        "content_mask": mask,
        "style_mask": None,
    }
    answer = client.post("/api/check", json={**order, "styles": [style, order["styles"][0]]}).json()
    assert ":weight=0.5,scale=2,content_mask=" in answer["command"].replace(".0", "")
    assert answer["title"] == "content as style + style"


def test_a_studio_that_was_killed_says_so_of_its_runs(tmp_path: Path) -> None:
    folder = tmp_path / "studio" / "runs" / ("a" * 24)
    folder.mkdir(parents=True)
    record = {"id": "a" * 24, "created": 1.0, "status": "running", "title": "x", "line": ""}
    (folder / "run.json").write_text(json.dumps(record))
    (tmp_path / "studio" / "runs" / "strange").mkdir()
    (tmp_path / "studio" / "runs" / "strange" / "run.json").write_text("[]")
    server = Studio(tmp_path / "studio", "127.0.0.1", 0)
    server.socket.close()
    (found,) = server.runs.records.values()
    assert (found["status"], found["line"]) == (
        "interrupted",
        "the studio ended before this run did",
    )


def test_the_command_says_where_the_page_is_and_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Studio, "run", lambda self: self.socket.close())
    done = CliRunner().invoke(
        group, ["studio", "--folder", str(tmp_path), "--no-open", "--port", "0"]
    )
    assert done.exit_code == 0
    (tmp_path / "file").write_text("")
    done = CliRunner().invoke(group, ["studio", "--folder", str(tmp_path / "file"), "--no-open"])
    assert isinstance(done.exception, impasto.OutputError)
    assert origin_of("http://a/?token=b") == "http://a"
