"""One attack: files, a command, and what must hold after it; and what runs it in a process of its own.

Each attack gets a new folder with three parts: ``here``, where the command runs, with ``content.png`` and
``style.png`` in it; ``home``, the user's, with a ``.bashrc``; and ``elsewhere``, with other people's files.
The process is forked from a server that has imported Impasto, so that an attack takes a moment.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import resource
import shlex
import signal
import sys
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any

from helpers import drawn
from impasto.builtin import BUILT_IN
from impasto.command.main import COMMANDS

Maker = Callable[[Path], object]
"""Writes a file to its path."""

SECONDS = 40
"""Of the clock: a command that takes longer hangs, on a busy machine, too."""
PROCESSOR_SECONDS = 20
"""Of the processor, after which the system ends the process."""
MEMORY = 2_000_000_000
"""Bytes that a command may add to what the server of processes has."""
OURS = ("home/.config/impasto/*", "*/lock")
"""What Impasto keeps for a user, and the empty file by which a checkpoint is locked."""

QUICK = "--size 32 --steps 2 --loss tv --quiet"
"""Options of a run that takes a moment."""


@dataclass(frozen=True)
class Attack:
    """One line of the table."""

    what: str
    """Kind, colon, what is tried: the name in the report."""
    command: str | tuple[str, ...]
    """Words behind ``impasto``, as in a shell; of several commands, all but the last succeed."""
    files: Mapping[str, str | bytes | Maker] = field(default_factory=dict)
    """Files by their path from ``here``: text, bytes, or what writes them."""
    says: str | tuple[str, ...] = ()
    """What the error's line says; nothing: the command must succeed."""
    writes: tuple[str, ...] = ()
    """Patterns, from the folder above ``here``, of the files that the commands may write. All others must
    be as they were, and none may be new."""
    prints: str = ""
    """What standard output says, or standard error where there is no error."""
    before: Callable[[], object] | None = None
    """Called in the new process before the command: limits, closed streams, timers of signals. A function
    at the top of a module, or a partial of one."""
    after: Callable[[Path], object] | None = None
    """More that must hold; gets the folder above ``here``."""
    status: int | tuple[int, ...] | None = None
    """The exit status, or those that are right; not given, 0 or 1 by ``says``."""
    memory: int = MEMORY
    """Bytes that the command may use."""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int | None
    """None: it was stopped because it hung; negative: the signal that ended it."""
    out: str
    err: str


def attacked(attack: Attack, root: Path) -> None:
    """Do an attack in a new folder.

    Raises:
        AssertionError: something does not hold.
    """
    lay_out(attack, root)
    before = tree_of(root)
    *first, last = [attack.command] if isinstance(attack.command, str) else attack.command
    for command in first:
        done = ended(command, root, attack.memory)
        assert done.status == 0, done.err
    done = ended(last, root, attack.memory, attack.before)
    check_words(attack, last, done)
    check_files(attack, before, tree_of(root))
    if attack.after is not None:
        attack.after(root)


def lay_out(attack: Attack, root: Path) -> None:
    """Make the folders and files."""
    here = root / "here"
    for folder in (here, root / "home", root / "elsewhere", root / "tmp"):
        folder.mkdir(parents=True)
    (root / "home" / ".bashrc").write_text("# precious\n")
    (root / "elsewhere" / "precious.png").write_bytes(b"precious")
    drawn(64, 48, seed=1).save(here / "content.png")
    drawn(56, 56, seed=2).save(here / "style.png")
    for name, content in attack.files.items():
        path = here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if callable(content):
            content(path)
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())


def ended(
    command: str, root: Path, memory: int = MEMORY, before: Callable[[], object] | None = None
) -> Ended:
    """Run a command in a new process, in ``here``, and wait for it."""
    arguments = shlex.split(command)
    process = processes().Process(target=child, args=(root, arguments, memory, before))
    process.start()
    process.join(SECONDS)
    hangs = process.is_alive()
    if hangs:
        process.kill()
        process.join()
    out, err = (
        (root / "tmp" / name).read_text(errors="surrogateescape") for name in ("out", "err")
    )
    for name in ("out", "err"):
        (root / "tmp" / name).unlink()
    return Ended(None if hangs else process.exitcode, out, err)


def processes() -> Any:
    """What starts processes: a server of this session, which has imported all that a command needs."""
    context = multiprocessing.get_context("forkserver")
    commands = [home.partition(":")[0] for home, _ in COMMANDS.values() if "bench" not in home]
    jobs = [f"impasto.jobs.{name}" for name in ("sweep", "rerun", "estimate", "learn", "compare")]
    context.set_forkserver_preload(
        ["impasto.api.run", *jobs, *commands, *BUILT_IN, "torch._dynamo", "attacks.attack"]
    )
    return context


def child(
    root: Path, arguments: list[str], memory: int, before: Callable[[], object] | None
) -> None:
    """Be the command: in the new process."""
    for number, name in ((1, "out"), (2, "err")):
        handle = os.open(root / "tmp" / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, number)
        os.close(handle)
    sys.stdin = open(os.devnull)  # noqa: SIM115
    sys.stdout = open(1, "w", buffering=1, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(  # noqa: SIM115
        2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False
    )
    os.chdir(root / "here")
    os.environ.update(HOME=str(root / "home"), TMPDIR=str(root / "tmp"), COLUMNS="200")
    os.environ.pop("XDG_CONFIG_HOME", None)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Tests that were started by nohup ignore it, and so would the command.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    limit(resource.RLIMIT_CPU, PROCESSOR_SECONDS + int(sum(os.times()[:2])))
    pages = int(Path("/proc/self/statm").read_text().split()[5])
    limit(resource.RLIMIT_DATA, pages * resource.getpagesize() + memory)
    if before is not None:
        before()
    sys.argv = ["impasto", *arguments]
    from impasto.command.main import main

    main()


def limit(what: int, most: int) -> None:
    """Limit a resource of this process."""
    resource.setrlimit(what, (most, most))


def check_words(attack: Attack, command: str, done: Ended) -> None:
    """Check how a command ended, and all that it said."""
    said = f"status {done.status}\n{done.out}\n{done.err}"
    assert done.status is not None, f"hangs\n{said}"
    says = [attack.says] if isinstance(attack.says, str) else attack.says
    wanted = attack.status if attack.status is not None else int(bool(says))
    assert done.status in (wanted if isinstance(wanted, tuple) else (wanted,)), said
    assert "Traceback" not in done.err, said
    assert "bug in Impasto" not in done.err, said
    errors = [line for line in done.err.splitlines() if line.startswith("impasto: error: ")]
    assert len(errors) == bool(says), said
    if says:
        assert done.err.rstrip("\n").endswith(errors[0]), said
        assert len(errors[0]) < 1500, said
    for words in says:
        assert words in errors[0], said
    assert attack.prints in (done.out if done.out else done.err), said
    invisible = {
        one
        for one in done.out + done.err
        if one != "\n" and unicodedata.category(one) in ("Cc", "Cf", "Cs", "Zl", "Zp")
    }
    assert not invisible, f"{invisible} in {said!r}"
    if done.out and "--json" in shlex.split(command):
        json.loads(done.out, parse_constant=no_number)


def no_number(word: str) -> None:
    """Raise for NaN and Infinity, which JSON does not have."""
    raise AssertionError(f"{word} is not JSON")


def check_files(attack: Attack, before: Mapping[str, str], after: Mapping[str, str]) -> None:
    """Check that no file was written, changed or removed but those that may be."""
    may = (*OURS, *attack.writes)
    changed = {
        path
        for path in before.keys() | after.keys()
        if before.get(path) != after.get(path) and not any(fnmatch(path, one) for one in may)
    }
    assert not changed, f"new, changed or gone: {sorted(changed)}"


def tree_of(root: Path) -> dict[str, str]:
    """Every file below a folder, by its path, with a checksum of what is in it."""
    return {
        str(path.relative_to(root)): content_of(path)
        for path in sorted(root.rglob("*"))
        if path.is_symlink() or not path.is_dir()
    }


def content_of(path: Path) -> str:
    """Tells whether a file was written to; what is no file is told by its kind."""
    if path.is_symlink():
        return f"link to {os.readlink(path)}"
    if not path.is_file():
        return "no file"
    told = path.stat()
    large = told.st_size > 10**8
    return f"{told}" if large else hashlib.sha256(path.read_bytes()).hexdigest()


def fifo(path: Path) -> None:
    """Make a pipe with a name, from which nobody ever reads, and into which nobody writes."""
    os.mkfifo(path)


def sparse(size: int) -> Maker:
    """Make a file of a size that takes no place on the disk."""
    return partial(_sparse, size)


def _sparse(size: int, path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(size)


def link_to(target: str) -> Maker:
    """Make a symbolic link."""
    return partial(_link_to, target)


def _link_to(target: str, path: Path) -> None:
    path.symlink_to(target)
