"""Files are written whole or not at all, and replaced only where that is allowed."""

from __future__ import annotations

import errno
import multiprocessing
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from safetensors.torch import save_file
from torch import zeros

from impasto.errors import OutputError
from impasto.files.whole import FileTakenError, machine, written_whole


def write(path: Path, text: str, replace: bool = True) -> None:
    with written_whole(path, replace=replace) as part:
        part.write_text(text)


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_rights_follow_the_umask_also_of_a_writer_that_makes_the_file_anew(tmp_path: Path) -> None:
    write(tmp_path / "plain", "new")
    with written_whole(tmp_path / "tensors") as part:
        save_file({"a": zeros(3)}, part)
    for name in ("plain", "tensors"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o640


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o444, 0o755])
def test_a_file_that_is_replaced_keeps_its_rights(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(mode)
    write(path, "new")
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_file_that_must_not_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "file"

    def write_while_another_comes() -> None:
        with written_whole(path, replace=False) as part:
            part.write_text("new")
            path.write_text("came meanwhile")

    with pytest.raises(FileTakenError, match="there is a file"):
        write_while_another_comes()
    assert path.read_text() == "came meanwhile"
    assert os.listdir(tmp_path) == ["file"]


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(Path("folder") / "file")
    write(tmp_path / "link", "new", replace=False)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "folder" / "file").read_text() == "new"


def test_links_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OutputError, match="Too many levels of symbolic links"):
        write(tmp_path / "a", "new")


@pytest.mark.parametrize(
    "name", ["x" * 255, "x" * 241 + ".png", "畫" * 80 + ".png", "a." + "y" * 253]
)
def test_a_name_as_long_as_the_folder_allows(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, "new", replace=False)
    assert os.listdir(tmp_path) == [name]


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    with pytest.raises(OutputError, match="No space left"), written_whole(tmp_path / "file"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_text() == "old"


def test_a_disk_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    write(tmp_path / "file", "new", replace=False)
    with pytest.raises(FileTakenError):
        write(tmp_path / "file", "other", replace=False)
    assert (tmp_path / "file").read_text() == "new"


def test_of_many_that_write_one_name_at_once_one_does(tmp_path: Path) -> None:
    with multiprocessing.get_context("fork").Pool(4) as pool:
        for round_ in range(20):
            folder = tmp_path / str(round_)
            folder.mkdir()
            won = pool.starmap(attempt, [(folder / "file", str(number)) for number in range(8)])
            assert sum(won) == 1
            assert (folder / "file").read_text() == str(won.index(True))
            assert os.listdir(folder) == ["file"]


def attempt(path: Path, text: str) -> bool:
    try:
        write(path, text, replace=False)
    except FileTakenError:
        return False
    return True


def test_what_dead_processes_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    dead = multiprocessing.get_context("fork").Process(target=int)
    dead.start()
    dead.join()
    ours, others = machine(), "00000000"
    gone = f".impasto-{ours}-{dead.pid}-0123abcd.part.png"
    stay = [
        f".impasto-{ours}-{os.getpid()}-0123abcd.part.png",
        f".impasto-{ours}-1-0123abcd.part",
        f".impasto-{others}-{dead.pid}-0123abcd.part.png",
        f".impasto-{ours}-{dead.pid}-0123abcd.part.png.bak",
        f".impasto-{ours}-{'9' * 40}-0123abcd.part",
        "mine.part.png",
    ]
    for name in [gone, *stay]:
        (tmp_path / name).touch()
    write(tmp_path / "file", "new")
    assert sorted(os.listdir(tmp_path)) == sorted([*stay, "file"])
