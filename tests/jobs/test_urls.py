"""Pictures by URL: the same results as from files, and new ones where the pictures are others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from batches import FAILING, TINY
from helpers import Invoke, drawn, refused


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[fsspec.AbstractFileSystem]:
    """Two contents and a style in memory, and as files."""
    monkeypatch.chdir(tmp_path)
    memory = fsspec.filesystem("memory")
    (tmp_path / "photos").mkdir()
    drawn(40, 32, seed=1).save("photos/a.png")
    drawn(32, 40, seed=2).save("photos/b.png")
    drawn(32, 32, seed=3).save("style.png")
    memory.put("photos", "/test/photos", recursive=True)
    memory.put("style.png", "/test/style.png")
    yield memory
    memory.rm("/test", recursive=True)


def painted(done_out: str) -> list[str]:
    return [json.loads(line)["output"] for line in done_out.splitlines()]


def test_rows_with_urls(invoke: Invoke, store: fsspec.AbstractFileSystem, tmp_path: Path) -> None:
    Path("jobs.csv").write_text(
        "content,style,output\n"
        "memory://test/photos/a.png,memory://test/style.png:weight=2,0.png\n"
        f"file://{tmp_path}/photos/b.png,style.png,1.png"
    )
    Path("plain.csv").write_text(
        "content,style,output\nphotos/a.png,style.png,0.png\nphotos/b.png,style.png,1.png"
    )
    for rows, folder in (("jobs.csv", "urls"), ("plain.csv", "plain")):
        done = invoke("batch", rows, "--folder", folder, "--json", "--no-recipe", *TINY)
        assert done.status == 0, done.err
    for name in ("0.png", "1.png"):
        assert Path(f"urls/{name}").read_bytes() == Path(f"plain/{name}").read_bytes()
    again = ("batch", "jobs.csv", "--folder", "urls", "--json", "--no-recipe", *TINY)
    assert painted(invoke(*again).out) == []
    store.put("photos/b.png", "/test/photos/a.png")
    assert painted(invoke(*again).out) == ["0.png"], "the picture is another"


def test_a_recipe_names_the_url(invoke: Invoke, store: fsspec.AbstractFileSystem) -> None:
    done = invoke(
        "batch", "memory://test/photos/", "memory://test/style.png", "--folder", "r", *TINY
    )
    assert done.status == 0, done.err
    names = ["a_as_style.png", "b_as_style.png"]
    assert sorted(path.name for path in Path("r").glob("*.png")) == names
    shown = json.loads(invoke("show", f"r/{names[0]}", "--json").out)
    assert shown["settings"]["content"] == "memory:///test/photos/a.png"


def test_a_grid_of_urls(invoke: Invoke, store: fsspec.AbstractFileSystem) -> None:
    done = invoke("grid", "memory://test/photos/*.png", "memory://test/style.png", "-o", "sheet.png",
                  "--folder", "r", "--cell", "48", *TINY)  # fmt: skip
    assert done.status == 0, done.err
    assert Path("sheet.png").stat().st_size > 1000
    assert len(list(Path("r").glob("*.png"))) == 2


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with copies of folders by URL."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "impasto" / "results"


@pytest.mark.parametrize("scheme", ["memory", "file"])
def test_results_by_url(
    invoke: Invoke,
    store: fsspec.AbstractFileSystem,
    tmp_path: Path,
    cache: Path,
    scheme: str,
) -> None:
    url = "memory://test/results" if scheme == "memory" else f"file://{tmp_path}/results"
    call = ("batch", "memory://test/photos/", "style.png", "--folder", url, "--json", *TINY)
    names = ["a_as_style.png", "b_as_style.png"]
    done = invoke(*call)
    assert done.status == 0, done.err
    assert f"{url}: 2 of 2 jobs done" in done.err
    assert list(cache.iterdir()) == []
    system, path = fsspec.core.url_to_fs(url)
    found = sorted(Path(name).name for name in system.ls(path, detail=False))
    assert found == [*names, "manifest.jsonl"]
    plain = invoke("batch", "memory://test/photos/", "style.png", "--folder", "plain", *TINY)
    assert plain.status == 0, plain.err
    for name in names:
        assert system.cat_file(f"{path}/{name}") == Path(f"plain/{name}").read_bytes()
    assert painted(invoke(*call).out) == []
    system.rm_file(f"{path}/{names[1]}")
    assert painted(invoke(*call).out) == [names[1]]
    status = invoke("batch", "status", url)
    assert status.out.splitlines()[-1] == "2 jobs: 2 done"
    other = invoke("batch", "photos", "style.png", "--folder", url, *TINY)
    assert "has the results of another batch" in refused(other)


def test_a_stopped_batch_goes_on_from_its_checkpoint(
    invoke: Invoke,
    store: fsspec.AbstractFileSystem,
    cache: Path,
) -> None:
    Path("failing.py").write_text(FAILING)
    Path("bad").touch()
    call = ("batch", "memory://test/photos/", "style.png", "--folder", "memory://test/r", *TINY,
            "--plugin", "failing.py", "--callback", "failing:file=bad,how=interrupt",
            "--no-recipe")  # fmt: skip
    assert invoke(*call).status == 130
    assert store.exists("/test/r/manifest.jsonl")
    assert len(list(cache.glob("*/.impasto/*/checkpoint*"))) == 1
    assert invoke(*call).status == 0
    assert Path("bad.steps").read_text().split()[:4] == ["1", "2", "3", "4"]
    assert list(cache.iterdir()) == []


def test_a_manifest_of_a_strangers_names_no_files_elsewhere(
    invoke: Invoke, store: fsspec.AbstractFileSystem, cache: Path
) -> None:
    line = {"job": "x", "status": "done", "output": "../../../evil.png"}
    store.pipe("/test/r/manifest.jsonl", f"{json.dumps(line)}\n".encode())
    store.pipe("/test/r/../../../evil.png", b"evil")
    invoke("batch", "status", "memory://test/r")
    assert not list(Path().rglob("evil.png"))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("memory://test/none.png", "row 1: picture 'memory://test/none.png' does not exist"),
        ("nothing://a.png", "row 1: 'nothing://a.png' cannot be used: Protocol not known: nothing"),
        ("memory://test/text.png", "'memory://test/text.png'"),
    ],
)
def test_urls_that_cannot_be_read(
    invoke: Invoke, store: fsspec.AbstractFileSystem, content: str, complaint: str
) -> None:
    store.pipe("/test/text.png", b"no picture")
    Path("jobs.csv").write_text(f"content,style\n{content},style.png")
    done = invoke("batch", "jobs.csv", "--folder", "r", *TINY)
    assert done.status == 1
    assert complaint in done.err
    assert not list(Path().glob("r/*.png"))


def test_without_fsspec(
    invoke: Invoke, store: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "fsspec", None)
    done = invoke("batch", "memory://test/photos/*", "style.png", "--folder", "r", *TINY)
    assert (
        "needs the package fsspec, which is not installed: pip install 'impasto[url]'"
        in refused(done)
    )
