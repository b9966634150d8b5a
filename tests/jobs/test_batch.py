"""Batches: many jobs, each picture that of ``impasto run``, and nothing done twice."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from batches import FAILING, TINY, killed_and_finished
from helpers import Install, Invoke, Pair, drawn, refused
from impasto.optimization.shared import Share


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three contents and two styles in folders of the working folder."""
    for folder, number in (("photos", 3), ("paintings", 2)):
        (tmp_path / folder).mkdir()
        for place in range(number):
            size = (40 + place, 32)
            drawn(*size, seed=place + len(folder)).save(tmp_path / folder / f"{folder}{place}.png")
    (tmp_path / "photos" / "notes.txt").write_text("no picture")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def rows(pictures: Path) -> str:
    """Three rows in CSV."""
    lines = ["content,style,output,style_weight"]
    lines += [
        f"photos/photos{i}.png,paintings/paintings{i % 2}.png,{i}.png,{i + 1}" for i in range(3)
    ]
    (pictures / "jobs.csv").write_text("\n".join(lines))
    return "jobs.csv"


def statuses(invoke: Invoke, folder: str) -> dict[str, str]:
    done = invoke("batch", "status", folder, "--json")
    assert done.status == 0, done.err
    records = map(json.loads, done.out.splitlines())
    return {record["output"]: record["status"] for record in records}


def test_each_picture_is_that_of_run(invoke: Invoke, rows: str) -> None:
    done = invoke("batch", rows, "--folder", "results", "--json", *TINY)
    assert done.status == 0, done.err
    assert done.err.count("computing on") == 1, "said once for all jobs"
    records = [json.loads(line) for line in done.out.splitlines()]
    assert [(one["output"], one["place"], one["status"]) for one in records] == [
        (f"{i}.png", f"row {i + 1}", "done") for i in range(3)
    ]
    for i in range(3):
        alone = invoke("run", f"photos/photos{i}.png", f"paintings/paintings{i % 2}.png", "-o",
                       f"{i}.png", "--style-weight", i + 1, *TINY)  # fmt: skip
        assert alone.status == 0, alone.err
        assert Path(f"{i}.png").read_bytes() == Path(f"results/{i}.png").read_bytes()
    assert sorted(os.listdir("results/.impasto")) == ["lock"]


def test_called_again_it_does_what_is_missing_or_changed(invoke: Invoke, rows: str) -> None:
    assert invoke("batch", rows, "--folder", "results", *TINY).status == 0
    before = {path.name: path.stat().st_mtime_ns for path in Path("results").glob("*.png")}
    os.unlink("results/0.png")
    drawn(30, 30, seed=9).save("photos/photos1.png")
    done = invoke("batch", rows, "--folder", "results", "--json", *TINY)
    assert done.status == 0, done.err
    assert [json.loads(line)["output"] for line in done.out.splitlines()] == ["0.png", "1.png"]
    assert Path("results/2.png").stat().st_mtime_ns == before["2.png"]
    assert statuses(invoke, "results") == dict.fromkeys(["0.png", "1.png", "2.png"], "done")
    assert invoke("batch", rows, "--folder", "results", "--json", *TINY).out == ""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "jobs.toml",
            'size = 24\n[[job]]\ncontent = "photos/photos0.png"\nstyle = "paintings/paintings0.png"'
            '\noutput = "a.png"\n[[job]]\ncontent = "photos/photos1.png"\npreset = "quick"\n'
            'style = [{file = "paintings/paintings0.png", weight = 2}, "paintings/paintings1.png"]\n',
        ),
        (
            "jobs.jsonl",
            '{"content": "photos/photos0.png", "style": "paintings/paintings0.png",'
            ' "output": "a.png"}\n\n{"content": "photos/photos1.png", "style":'
            ' ["paintings/paintings0.png:weight=2", "paintings/paintings1.png"]}',
        ),
        (
            "jobs.csv",
            "content,style,output\nphotos/photos0.png,paintings/paintings0.png,a.png\n"
            "photos/photos1.png,paintings/paintings0.png:weight=2; paintings/paintings1.png,",
        ),
    ],
)
def test_rows_of_each_form(invoke: Invoke, pictures: Path, name: str, text: str) -> None:
    Path(name).write_text(text)
    done = invoke("batch", name, "--folder", "results", *TINY)
    assert done.status == 0, done.err
    painted = sorted(path.name for path in Path("results").glob("*.png"))
    assert painted == ["a.png", "photos1_as_paintings0_paintings1.png"]
    shown = invoke("show", f"results/{painted[1]}", "--json")
    assert [style if isinstance(style, str) else style["weight"]
            for style in json.loads(shown.out)["settings"]["style"]] == [
        2, "paintings/paintings1.png",
    ]  # fmt: skip


def test_a_folder_of_contents_in_one_style(invoke: Invoke, pictures: Path) -> None:
    done = invoke("batch", "photos", "paintings/paintings0.png", "--folder", "results", *TINY)
    assert done.status == 0, done.err
    names = [f"photos{i}_as_paintings0.png" for i in range(3)]
    assert sorted(path.name for path in Path("results").glob("*.png")) == names
    again = invoke("batch", "photos/*1.png", "paintings/paintings0.png", "--folder", "two", *TINY)
    assert again.status == 0, again.err
    assert list(statuses(invoke, "two")) == [names[1]]


ROW = "photos/photos0.png,paintings/paintings0.png"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (f"content,style,sise\n{ROW},3", "row 1: unknown setting 'sise'; did you mean 'size'?"),
        (f"content,style\n{ROW}\nnone.png,b.png", "row 2: picture 'none.png' does not exist"),
        (f"content,style,output\n{ROW},a.png\n{ROW},./a.png", "row 2: output 'a.png' is that of row 1"),
        (f"content,style,output\n{ROW},../a.png", "row 1: file 'jobs.csv' would write '"),
        (f"content,style,output\n{ROW},a.bmp", "row 1: output 'results/a.bmp': unknown suffix"),
        (f"content,style,callback,output\n{ROW},log:file=results/a.png,a.png\n{ROW},log:file=b.csv,b.png",
         "row 1: callback 'log': file 'results/a.png' is also written as output"),
        (f"content,style,callback,output\n{ROW},log:file=x.csv,a.png\n{ROW},log:file=notes.csv,b.png",
         "row 2: callback 'log': file 'notes.csv' exists; set force to overwrite it (--force)"),
        (f"content,style,optimizer\n{ROW},adm", "row 1: unknown optimizer 'adm'; did you mean 'adam'"),
        (f"content,style,force\n{ROW},true", "row 1: file 'jobs.csv' sets 'force', which no document"),
        (f"content,style,checkpoint\n{ROW},there", "row 1: a batch keeps the checkpoints of its jobs"),
        (f"content,style\n{ROW},5", "row 1 has more cells than the first line has names"),
        ("content,style\n", "file 'jobs.csv' has no rows"),
        (f"content,style,style\n{ROW},b.png", "file 'jobs.csv' has the name 'style' in two columns"),
        (f"content,style,init\n{ROW},none.png", "row 1: picture 'none.png' does not exist"),
        (f"content,style\n{ROW}\nphotos,paintings/paintings0.png", "row 2: picture 'photos' is a folder"),
        (f"content,style\n{ROW}\nphotos/notes.txt,paintings/paintings0.png",
         "row 2: 'photos/notes.txt' is not a picture in a format that is read"),
        (f"content,style\n{ROW}\nphotos/photos0.png,cut.png",
         "row 2: picture 'cut.png' cannot be read: image file is tr"),
        (f"content,style\n{ROW}\nphotos/photos0.png,page.jpg",
         "row 2: 'page.jpg' is not a picture in a format"),
        (f"content,style\n{ROW}\nphotos/photos0.png,empty.style",
         "row 2: file 'empty.style' is not a style file"),
        (f"content,style\n{ROW}\ntiny.tif,paintings/paintings0.png",
         "row 2: picture 'tiny.tif' is 9 × 8 pixels; each side needs at least 16"),
        (f"content,style,output,depth\n{ROW},a.png,16\n{ROW},b.jpg,16",
         "row 2: output 'b.jpg': JPEG has 8 bits"),
        (f"content,style,output,device\n{ROW},a.png,\n{ROW},b.png,cuda:9",
         "row 2: device 'cuda:9' cannot be used here"),
        (f"content,style,output\n{ROW},a.png\n{ROW},a.png/b.png",
         "row 2: output 'a.png/b.png': 'a.png' is the picture of row 1, no folder"),
        ("style,output\npaintings/paintings0.png,a.png",
         "row 1: loss 'content' compares with a content picture"),
    ],
)  # fmt: skip
def test_what_is_refused_before_the_first_job(
    invoke: Invoke, pictures: Path, text: str, complaint: str
) -> None:
    Path("jobs.csv").write_text(text)
    Path("notes.csv").write_text("mine")
    Path("cut.png").write_bytes(Path("photos/photos0.png").read_bytes()[:-20])
    Path("page.jpg").write_text("<html><body>Not found</body></html>")
    Path("empty.style").touch()
    drawn(9, 8, seed=1).save("tiny.tif")
    done = invoke("batch", "jobs.csv", "--folder", "results", *TINY)
    assert complaint in refused(done)
    assert not list(Path().glob("results/*.png"))


def test_several_that_are_wrong_have_a_line_each(invoke: Invoke, pictures: Path) -> None:
    Path("jobs.csv").write_text("content,style,size\na.png,b.png,32\n\nphotos/photos0.png,b.png,32")
    done = invoke("batch", "jobs.csv", "--folder", "results", *TINY)
    lines = [line.removeprefix("impasto: error: ") for line in done.err.splitlines()]
    assert lines == [
        "row 1: picture 'a.png' does not exist",
        "row 2: picture 'b.png' does not exist",
        "2 jobs cannot be painted: none was started",
    ]


def test_folders_of_others(invoke: Invoke, rows: str, pair: Pair) -> None:
    os.mkdir("results")
    Path("results/1.png").write_text("mine")
    done = invoke("batch", rows, "--folder", "results", *TINY)
    assert "row 2: output 'results/1.png' exists; set force to overwrite it" in refused(done)
    os.unlink("results/1.png")
    assert invoke("batch", rows, "--folder", "results", *TINY).status == 0
    other = invoke("batch", "photos", "paintings/paintings0.png", "--folder", "results", *TINY)
    assert "has the results of another batch" in refused(other)
    assert "there is no batch in 'photos'" in refused(invoke("batch", "status", "photos"))
    assert "folder 'none*' has no" not in other.err
    empty = invoke("batch", "none*.png", "a.png", "--folder", "more", *TINY)
    assert refused(empty) == "content pattern 'none*.png' has no pictures"


def test_a_job_that_fails_stops_no_other_and_can_be_tried_again(
    invoke: Invoke, rows: str, install: Install
) -> None:
    install("failing", FAILING)
    Path("bad").touch()
    text = Path(rows).read_text().splitlines()
    losses = ["loss", "tv", "tv;failing:file=bad", "tv"]
    Path(rows).write_text("\n".join(f"{a},{b}" for a, b in zip(text, losses, strict=True)))
    tiny = TINY[: TINY.index("--loss")]
    done = invoke("batch", rows, "--folder", "results", "--retries", 1, "--json", *tiny)
    assert done.status == 1
    assert done.error.startswith("impasto: error: 1 job not painted: impasto batch status results")
    records = [json.loads(line) for line in done.out.splitlines()]
    assert [(one["output"], one["status"]) for one in records] == [
        ("0.png", "done"), ("1.png", "failed"), ("2.png", "done"), ("1.png", "failed"),
    ]  # fmt: skip
    assert "no paint left" in records[1]["error"]
    assert "1.png (row 2): loss 'failing' of plugin" in done.err
    os.unlink("bad")
    retried = invoke("batch", "retry", "results", "--plugin", "impasto.testing", "--json")
    assert retried.status == 0, retried.err
    assert [json.loads(line)["output"] for line in retried.out.splitlines()] == ["1.png"]
    assert set(statuses(invoke, "results").values()) == {"done"}


def test_a_manifest_loads_no_plugin_by_itself(invoke: Invoke, rows: str) -> None:
    assert invoke("batch", rows, "--folder", "results", *TINY).status == 0
    os.unlink("results/1.png")
    done = invoke("batch", "retry", "results")
    assert "needs the plugin 'impasto.testing'" in refused(done)


LOOKING = """
import json, subprocess, sys
import impasto
from impasto.jobs.status import status_of
from pathlib import Path

class Looking:
    @impasto.hookimpl(trylast=True)
    def impasto_after_step(self, run, step):
        if step.number == 3 and not Path("seen.txt").exists():
            command = [sys.executable, "-m", "impasto", "batch", "status", "results"]
            with open("seen.txt", "w") as file:
                subprocess.run(command, stdout=file, check=True)
            records = [job.as_record() for job in status_of(Path("results")).jobs]
            Path("seen.json").write_text(json.dumps(records))

@impasto.hookimpl
def impasto_callbacks():
    return [impasto.Offer("looking", Looking)]
"""
"""A callback that asks for the status of the batch, as another process does while it is painted."""


def test_status_while_it_is_painted(
    invoke: Invoke, rows: str, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("looking", LOOKING)
    monkeypatch.setattr("impasto.jobs.live.EVERY", 0)
    monkeypatch.setattr("impasto.jobs.live.PICTURE_EVERY", 0)
    done = invoke("batch", rows, "--folder", "results", *TINY, "--callback", "looking")
    assert done.status == 0, done.err
    first, second, third, last = Path("seen.txt").read_text().splitlines()
    assert first.startswith("running    0.png (row 1): step 3 of 4; results/.impasto/")
    assert first.endswith("/now.png")
    assert (second, third) == ("waiting    1.png (row 2)", "waiting    2.png (row 3)")
    assert last == "3 jobs: 1 running, 2 waiting"
    (record, *_) = json.loads(Path("seen.json").read_text())
    assert record.pop("picture").endswith("/now.png")
    assert record == {"output": "0.png", "place": "row 1", "status": "running", "step": 3, "steps": 4,
                      "stage": 1, "stages": 1}  # fmt: skip
    assert statuses(invoke, "results") == dict.fromkeys(["0.png", "1.png", "2.png"], "done")


def test_ctrl_c_stops_and_the_next_call_goes_on(
    invoke: Invoke, rows: str, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks = []
    keep = Share.keep_extractor

    def counted(share: Share, *made: Any) -> None:
        networks.append(made)
        keep(share, *made)

    monkeypatch.setattr(Share, "keep_extractor", counted)
    install("failing", FAILING)
    Path("bad").touch()
    plain = invoke("batch", rows, "--folder", "plain", *TINY, "--no-recipe")
    assert plain.status == 0
    more = (*TINY, "--no-recipe", "--callback", "failing:file=bad,how=interrupt")
    done = invoke("batch", rows, "--folder", "results", *more)
    assert done.status == 130
    assert "0 of 3 jobs are done; the same call goes on with the rest" in done.err
    assert statuses(invoke, "results") == dict.fromkeys(["0.png", "1.png", "2.png"], "waiting")
    networks.clear()
    done = invoke("batch", rows, "--folder", "results", *more)
    assert done.status == 0, done.err
    assert len({id(extractor) for extractor, *_ in networks}) == 1, (
        "the job that is resumed shares it"
    )
    assert Path("bad.steps").read_text() == "1 2 " + "3 4 " + 2 * "1 2 3 4 "
    for i in range(3):
        assert Path(f"plain/{i}.png").read_bytes() == Path(f"results/{i}.png").read_bytes()


def test_a_checkpoint_that_a_killed_worker_still_has_is_waited_for(
    invoke: Invoke, rows: str, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("failing", FAILING)
    Path("bad").touch()
    given = (
        "batch",
        rows,
        "--folder",
        "results",
        *TINY,
        "--callback",
        "failing:file=bad,how=interrupt",
    )
    assert invoke(*given).status == 130
    (lock,) = Path("results/.impasto").glob("*/lock")
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        monkeypatch.setattr("impasto.jobs.worker.PATIENCE", 0.1)
        done = invoke(*given)
        assert "another process paints with its checkpoint in" in done.err
        monkeypatch.setattr("impasto.jobs.worker.PATIENCE", 60)
        os.unlink("bad.steps")
        Path("results/1.png").unlink()
        Path("results/2.png").unlink()
        threading.Timer(0.5, fcntl.flock, (held, fcntl.LOCK_UN)).start()
        assert invoke(*given).status == 0
    assert Path("bad.steps").read_text() == "3 4 " + 2 * "1 2 3 4 "


def test_files_of_callbacks_are_one_for_each_job(invoke: Invoke, pictures: Path) -> None:
    more = (*TINY, "--callback", "log:file=log.csv", "--json")
    for rows in (3, 1):
        done = invoke("batch", "photos", "paintings/paintings0.png", "--folder", "r", *more)
        assert done.status == 0, done.err
        assert len(done.out.splitlines()) == rows
        os.unlink("r/photos0_as_paintings0.png")
    logs = [f"log_photos{number}_as_paintings0.csv" for number in range(3)]
    assert sorted(path.name for path in Path().glob("log*")) == logs


def test_a_random_seed_is_refused(invoke: Invoke, rows: str) -> None:
    done = invoke("batch", rows, "--folder", "results", "--seed", "random", *TINY)
    assert "row 1: seed random draws another seed in each call" in done.err
    done = invoke("batch", "photos", "a.png", "--folder", "results", "--seed", "random", *TINY)
    assert refused(done).startswith("seed random draws another seed in each call")


def killed_and_called_again(invoke: Invoke, rows: str, kills: int, more: tuple[str, ...]) -> None:
    """Kill the whole command at different moments, until it comes to its end."""
    assert invoke("batch", rows, "--folder", "plain", *TINY).status == 0
    command = [sys.executable, "-m", "impasto", "batch", rows, "--folder", "results", *TINY,
               "--checkpoint-every", "0", *more]  # fmt: skip

    def begun(number: int) -> Callable[[], bool]:
        pattern = f"*{'/c*' if number % 2 else ''}"
        return lambda: bool(list(Path("results/.impasto").glob(pattern)))

    killed_and_finished(command, kills, begun, lambda number: 0.1 * (number % 7))
    for i in range(3):
        assert Path(f"plain/{i}.png").read_bytes() == Path(f"results/{i}.png").read_bytes()
    assert set(statuses(invoke, "results").values()) == {"done"}


def test_the_whole_is_killed_and_called_again(invoke: Invoke, rows: str) -> None:
    killed_and_called_again(invoke, rows, 1, ())


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["local", "processes:workers=2,threads=1"])
def test_the_whole_is_killed_forty_times(invoke: Invoke, rows: str, executor: str) -> None:
    killed_and_called_again(invoke, rows, 40, ("--executor", executor))


@pytest.mark.slow
def test_a_hundred_jobs_in_order_without_growing_memory(invoke: Invoke, pictures: Path) -> None:
    lines = ["content,style,output,seed"]
    lines += [f"{ROW},{number}.png,{number}" for number in range(100)]
    Path("jobs.csv").write_text("\n".join(lines))
    Path("ten.csv").write_text("\n".join(lines[:11]))
    assert invoke("batch", "ten.csv", "--folder", "ten", *TINY).status == 0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    done = invoke("batch", "jobs.csv", "--folder", "results", "--json", *TINY)
    assert done.status == 0, done.err
    ended = [json.loads(line)["output"] for line in done.out.splitlines()]
    assert ended == [f"{number}.png" for number in range(100)]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000
