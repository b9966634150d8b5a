"""Ray: the same bytes as without it, and neither a worker nor the whole can be killed in vain."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from batches import FAILING, TINY
from helpers import Invoke, Outcome, drawn, refused, same_threads
from impasto.storage.checkpoint import read_checkpoint

TWO = ("--executor", "ray:workers=2")
SHIPPED = ("--executor", "ray:workers=2,folder=shipped")
SECONDS = 500
"""Of the clock: what takes longer hangs, on a busy machine, too."""

MARK = "TEST_OF_RAY"
"""Variable in the environment of all processes of a test, by which they are found."""


STARTED: list[int] = []
"""Numbers of the processes that a test started."""


@pytest.fixture
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Two rows. At the end no process of Ray's is left, nor a file of theirs."""
    monkeypatch.chdir(tmp_path)
    drawn(40, 32, seed=1).save("a.png")
    drawn(32, 32, seed=2).save("b.png")
    Path("failing.py").write_text(FAILING)
    Path("plain.csv").write_text(
        "content,style,output,seed,callback\na.png,b.png,0.png,0,\na.png,b.png,1.png,1,"
    )
    STARTED.clear()
    yield "plain.csv"
    wait_until(lambda: not processes())
    assert not [path for number in STARTED for path in Path("/tmp").glob(f"impasto-*-{number}-*")]


def processes() -> dict[int, str]:
    """Those that this test started, and their children: their commands by their numbers."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={os.getcwd()}\0".encode() in (path / "environ").read_bytes():
                found[int(path.name)] = (path / "cmdline").read_text()
        except OSError:
            continue
    return found


def painters() -> list[int]:
    """The numbers of workers that do a job."""
    return [number for number, command in processes().items() if "ray::Painter.do" in command]


def wait_until(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def killing(how: str, file: str = "bad") -> tuple[str, ...]:
    """Options of a batch whose second job kills its worker at its second step, or is stopped there."""
    Path("bad").touch()
    Path("jobs.csv").write_text(f'{Path("plain.csv").read_text()}"failing:file={file},how={how}"')
    return ("--plugin", "failing.py", "--no-recipe", "--checkpoint-every", "0")


def batch(rows: str, folder: str, *more: str) -> list[str]:
    return [sys.executable, "-m", "impasto", "batch", rows, "--folder", folder, *TINY, *more]


def started(command: list[str]) -> subprocess.Popen[str]:
    """A command in a process of its own."""
    environment = {**same_threads(), MARK: os.getcwd()}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    STARTED.append(process.pid)
    return process


def end_of(process: subprocess.Popen[str]) -> Outcome:
    """What a command did, once it came to its end."""
    out, err = process.communicate(timeout=SECONDS)
    return Outcome(process.returncode, out, err)


def done_by(command: list[str]) -> Outcome:
    """What a command did."""
    return end_of(started(command))


def same_as_here(invoke: Invoke, *more: str, names: Iterable[str] = ("0.png", "1.png")) -> None:
    """The pictures in the folder are those of the same jobs in this process."""
    done = invoke("batch", "plain.csv", "--folder", "here", *TINY, *more)
    assert done.status == 0, done.err
    for name in names:
        assert Path(f"here/{name}").read_bytes() == Path(f"results/{name}").read_bytes()


def ends_of(done: Outcome) -> list[tuple[str, str]]:
    records = [json.loads(line) for line in done.out.splitlines()]
    return [(record["output"], record["status"]) for record in records]


@pytest.mark.slow
def test_the_same_bytes_by_all_executors(invoke: Invoke, plain: str) -> None:
    done = done_by(batch(plain, "results", "--json", *TWO))
    assert done.status == 0, done.err
    assert sorted(ends_of(done)) == [("0.png", "done"), ("1.png", "done")]
    same_as_here(invoke)
    assert os.listdir("results/.impasto") == ["lock"]
    done = invoke("batch", plain, "--folder", "two", "--executor", "processes:workers=2", *TINY)
    assert done.status == 0, done.err
    for name in ("0.png", "1.png"):
        assert Path(f"two/{name}").read_bytes() == Path(f"results/{name}").read_bytes()


@pytest.mark.slow
def test_a_killed_worker_is_noticed_and_its_job_goes_on(invoke: Invoke, plain: str) -> None:
    given = killing("once")
    done = done_by(batch("jobs.csv", "results", "--json", *given, *TWO))
    assert done.status == 0, done.err
    assert "1.png (row 2): its worker was killed: " in done.err
    assert [status for name, status in ends_of(done) if name == "1.png"] == ["waiting", "done"]
    steps = Path("bad.steps").read_text().split()
    assert steps in (["1", "2", "3", "4"], ["1", "2", "2", "3", "4"]), "it went on"
    same_as_here(invoke, "--no-recipe")


@pytest.mark.slow
def test_a_job_that_kills_its_worker_twice_is_set_aside(invoke: Invoke, plain: str) -> None:
    given = killing("always")
    done = done_by(batch("jobs.csv", "results", "--retries", "5", "--json", *given, *TWO))
    assert done.status == 1
    ends = ends_of(done)
    assert ("0.png", "done") in ends
    assert [status for name, status in ends if name == "1.png"] == ["waiting", "set aside"]
    status = invoke("batch", "status", "results").out
    assert "set aside  1.png (row 2): its worker was killed: " in status


@pytest.mark.slow
def test_the_whole_is_killed_and_called_again(invoke: Invoke, plain: str) -> None:
    Path("plain.csv").write_text(f"{Path(plain).read_text()}\na.png,b.png,2.png,2,")
    command = batch(plain, "results", "--checkpoint-every", "0", *TWO)
    process = started(command)
    wait_until(lambda: list(Path("results/.impasto").glob("*/checkpoint*")))
    process.send_signal(signal.SIGKILL)
    end_of(process)
    done = done_by(command)
    assert done.status == 0, done.err
    same_as_here(invoke)
    lines = map(json.loads, Path("results/manifest.jsonl").read_text().splitlines())
    assert [line.get("status") for line in lines].count("done") == 3


def kill_one(process: subprocess.Popen[str], chance: random.Random) -> bool:
    """Kill a worker of a command at a random moment; whether there is one."""
    wait_until(lambda: painters() or process.poll() is not None)
    time.sleep(chance.uniform(0, 0.5))
    for number in painters()[:1]:
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
            return True
    return False


@pytest.mark.slow
def test_forty_kills_lose_nothing(invoke: Invoke, plain: str) -> None:
    rows = "\n".join(f"a.png,b.png,{number}.png,{number}" for number in range(24))
    Path(plain).write_text(f"content,style,output,seed\n{rows}")
    many = ("--steps", "60")
    more = (*many, "--checkpoint-every", "0")
    chance = random.Random(0)
    killed = 0
    for kills, executor in ((12, TWO), (13, SHIPPED), (12, SHIPPED)):
        process = started(batch(plain, "results", *more, *executor))
        killed += sum(kill_one(process, chance) for _ in range(kills)) + 1
        process.kill()
        end_of(process)
    assert killed >= 30, "some may be done before they are killed"
    done = done_by(batch(plain, "results", *more, *TWO))
    if done.status:
        assert "not painted" in done.error, done.err
        retry = [sys.executable, "-m", "impasto", "batch", "retry", "results", "--plugin"]
        done = done_by([*retry, "impasto.testing", *TWO])
    assert done.status == 0, done.err
    lines = list(map(json.loads, Path("results/manifest.jsonl").read_text().splitlines()))
    ended = [line["output"] for line in lines if line.get("status") == "done"]
    assert sorted(ended) == sorted(f"{number}.png" for number in range(24)), "each once"
    assert os.listdir("results/.impasto") == ["lock"]
    same_as_here(invoke, *many, names=ended)


@pytest.mark.slow
def test_ctrl_c_stops_after_the_step(invoke: Invoke, plain: str) -> None:
    # Many steps, so that it has to be stopped; no checkpoint in between.
    more = ("--steps", "100000", "--checkpoint-every", "1000")
    command = batch(plain, "results", *more, *TWO)
    process = started(command)
    wait_until(lambda: len(list(Path("results/.impasto").glob("*/checkpoint*"))) == 2)
    before = {path: path.stat().st_mtime_ns for path in Path("results/.impasto").glob("*/check*")}
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    done = end_of(process)
    assert done.status == 130, done.err
    assert "0 of 2 jobs are done; the same call goes on with the rest" in done.err
    assert all(path.stat().st_mtime_ns > time for path, time in before.items()), "they were kept"


@pytest.mark.slow
def test_pictures_are_shipped_to_workers_elsewhere(invoke: Invoke, plain: str) -> None:
    drawn(40, 32, seed=4).convert("L").save("mask.png")
    os.mkdir("log")
    Path("plain.csv").write_text(
        "content,style,output,seed,callback,init\n"
        f"{Path('a.png').resolve()},b.png:content_mask=mask.png,0.png,0,log:file=log/a.csv,\n"
        "a.png,b.png,1.png,1,log:file=b.csv,./b.png"
    )
    done = done_by(batch(plain, "results", "--json", *SHIPPED))
    assert done.status == 0, done.err
    assert done.err.count("go through Ray's object store") == 1
    assert os.listdir("results/.impasto") == ["lock"]
    logs = [Path(name).read_bytes() for name in ("log/a.csv", "b.csv")]
    same_as_here(invoke, "--force")
    assert logs == [Path(name).read_bytes() for name in ("log/a.csv", "b.csv")]


@pytest.mark.slow
def test_a_killed_worker_elsewhere_goes_on_from_the_checkpoint_that_came_back(
    invoke: Invoke, plain: str
) -> None:
    given = killing("once", f"{Path('bad').resolve()},wait=4")
    done = done_by(batch("jobs.csv", "results", "--json", *given, *SHIPPED))
    assert done.status == 0, done.err
    assert [status for name, status in ends_of(done) if name == "1.png"] == ["waiting", "done"]
    assert Path("bad.steps").read_text().split() == ["1", "2", "2", "3", "4"], "it went on"
    same_as_here(invoke, "--no-recipe")


@pytest.mark.slow
def test_ctrl_c_brings_checkpoints_back(invoke: Invoke, plain: str) -> None:
    command = batch(plain, "results", "--steps", "100000", "--checkpoint-every", "1000", *SHIPPED)
    process = started(command)
    wait_until(lambda: len(list(Path("results/.impasto").glob("*/now.json"))) == 2)
    process.send_signal(signal.SIGINT)
    done = end_of(process)
    assert done.status == 130, done.err
    states = [read_checkpoint(path) for path in Path("results/.impasto").glob("*/")]
    assert len(states) == 2
    assert all(state["step"] > 1 for state in states)
    assert all(Path(f"results/{number}.png").exists() for number in (0, 1)), "pictures so far"


@pytest.mark.slow
def test_what_cannot_be_shipped_is_refused(invoke: Invoke, plain: str, tmp_path: Path) -> None:
    callback = f"--callback=log:file={tmp_path}/x.csv"
    done = invoke("batch", plain, "--folder", "r", *TINY, callback, *SHIPPED)
    assert "x_0.csv' of callback 'log' is outside of the working folder" in refused(done)
    plugin = f"--plugin={tmp_path}/failing.py"
    done = invoke("batch", plain, "--folder", "r", *TINY, plugin, *SHIPPED)
    assert "failing.py' of a plugin is outside of the working folder" in refused(done)
    assert not list(Path("r").glob("*.png"))


CLUSTER = """
import ray, sys
ray.init("local", num_cpus=2, include_dashboard=False, object_store_memory=10**8,
         _temp_dir=sys.argv[1])
print(ray.get_runtime_context().gcs_address, flush=True)
sys.stdin.read()
"""


BLIND = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"')
"""Runs a command that sees an empty folder in the place of one; root alone may do that."""


@contextmanager
def cluster(folder: Path, *before: str) -> Iterator[str]:
    """A cluster of somebody else's: its address."""
    command = [*before, sys.executable, "-c", CLUSTER, str(folder)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()


@pytest.mark.slow
def test_a_cluster_that_is_there(
    invoke: Invoke, plain: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "a" * 64)
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    with (
        tempfile.TemporaryDirectory(prefix="ray", dir="/tmp") as folder,
        cluster(Path(folder)) as at,
    ):
        done = done_by(batch(plain, "results", "--json", "--executor", f"ray:address={at}"))
        assert done.status == 0, done.err
        assert len(ends_of(done)) == 2
        same_as_here(invoke)
        large = done_by(batch(plain, "large", "--executor", f"ray:address={at},cpus=3"))
        assert "no machine of the cluster at '127.0.0.1:" in large.error
        assert not list(Path("large").glob("*.png"))
        monkeypatch.setenv("RAY_AUTH_TOKEN", "b" * 64)
        stranger = done_by(batch(plain, "stranger", "--executor", f"ray:address={at}"))
        assert "cannot be reached" in stranger.error
        assert not list(Path("stranger").glob("*.png"))


@pytest.mark.slow
def test_a_cluster_that_does_not_see_the_folder(
    invoke: Invoke, plain: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    blind = [*BLIND, os.getcwd()]
    if subprocess.run([*blind, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no folder can be hidden from a process here")
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "a" * 64)
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    with (
        tempfile.TemporaryDirectory(prefix="ray", dir="/tmp") as folder,
        cluster(Path(folder), *blind) as at,
    ):
        only = done_by(batch(plain, "only", "--executor", f"ray:address={at},folder=shared"))
        assert "a worker cannot paint: the folder '" in only.error
        done = done_by(batch(plain, "results", "--json", "--executor", f"ray:address={at}"))
        assert done.status == 0, done.err
        assert done.err.count("go through Ray's object store") == 1
        assert len(ends_of(done)) == 2
        same_as_here(invoke)


def test_a_cluster_that_cannot_be_reached(invoke: Invoke, plain: str) -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{one.getsockname()[1]}"
    done = invoke("batch", plain, "--folder", "r", "--executor", f"ray:address={address}", *TINY)
    assert f"the cluster at '{address}' cannot be reached: Connection refused" in refused(done)
    done = invoke("batch", plain, "--folder", "r", "--executor", "ray:address=http://x:1", *TINY)
    assert "the address 'http://x:1' is neither auto nor HOST:PORT" in refused(done)
    assert not Path("r").exists()


def test_without_ray(invoke: Invoke, plain: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("impasto.host.extras.importlib.util.find_spec", lambda name: None)
    done = invoke("batch", plain, "--folder", "r", "--executor", "ray", *TINY)
    assert "needs the package ray, which is not installed: pip install 'impasto[ray]'" in refused(
        done
    )
