"""Keys of the terminal steer a run, and the terminal is left as it was."""

from __future__ import annotations

import os
import re
import select
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from helpers import SHALLOW, Invoke, Outcome, Pair, same_threads
from impasto.storage.recipe import read_recipe
from impasto_plugins.callbacks import keys

termios = pytest.importorskip("termios", reason="Windows has no such terminal")
pty = pytest.importorskip("pty")


class Typed:
    """A terminal at which these keys are pressed, one text a look."""

    def __init__(self, *texts: str) -> None:
        self.texts = list(texts)

    def pressed(self) -> str:
        return self.texts.pop(0) if self.texts else ""

    def give_back(self) -> None:
        pass


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def put(*texts: str) -> None:
        monkeypatch.setattr(keys, "is_for_a_person", lambda: True)
        monkeypatch.setattr(keys, "Terminal", lambda: Typed(*texts))

    return put


def painted(invoke: Invoke, pair: Pair, *more: object) -> Outcome:
    return invoke("run", pair.content, pair.style, "-o", pair.content.parent / "out.png", "--size", 32,
                  "--steps", 6, *SHALLOW, *more)  # fmt: skip


def test_each_key(invoke: Invoke, pair: Pair, typed: Callable[..., None]) -> None:
    # The first look is before the first step; while paused there is one each time the hooks are called.
    typed("", "++", "-", "s", "P", "n", "", "s", "x", "\x1b[A", " ", "q")
    done = painted(invoke, pair)
    assert done.status == 0, done.err
    out = pair.content.parent / "out.png"
    recipe = read_recipe(out)
    assert recipe["steps"] == 6 or recipe["stopped"] == "by the key q"
    assert [change[:3] for change in recipe["changes"]] == [
        [1, "weight", "gram"],
        [2, "weight", "gram"],
    ]
    assert [change[3] for change in recipe["changes"]] == pytest.approx([10**1.2, 10**1.1])
    said = done.err
    assert (
        "impasto: keys: p pause, n one step, s save, q stop, + - style, f finish the stage\n"
        in said
    )
    assert "impasto: style: gram 15.8\n" in said
    assert "paused after step 4; p goes on" in said
    assert "no key of the run, and nothing was done: 'x'" in said
    assert "no key of the run, and nothing was done: '\\x1b'" in said
    # Saved after the third step, and after the one step that the pause let through.
    assert read_recipe(out.with_stem("out_step00003"))["steps"] == 3
    assert read_recipe(out.with_stem("out_step00005"))["steps"] == 5


class Session:
    """A program in a terminal of its own, at which keys are pressed."""

    def __init__(self, *words: object) -> None:
        self.process, self.terminal = pty.fork()
        if not self.process:
            os.execvpe(str(words[0]), [str(word) for word in words], same_threads())
        self.before = termios.tcgetattr(self.terminal)
        self.said = ""

    def press(self, text: str) -> None:
        """Press keys."""
        os.write(self.terminal, text.encode())

    def until(self, words: str, seconds: float = 120) -> None:
        """Read until a pattern is said, which is not looked at again."""
        ends = time.monotonic() + seconds
        while not (found := re.search(words, self.said)):
            assert time.monotonic() < ends, self.said[-2000:]
            if select.select([self.terminal], [], [], 0.05)[0]:
                try:
                    self.said += os.read(self.terminal, 65536).decode(errors="replace")
                except OSError:
                    # So Linux says that nobody has the terminal any more.
                    raise EOFError(self.said[-2000:]) from None
        self.said = self.said[found.end() :]

    def settings(self) -> list[object]:
        """How the terminal is set."""
        return list(termios.tcgetattr(self.terminal))

    def shows_what_is_typed(self) -> bool:
        """Whether the terminal gives lines, and shows what is typed, as a shell wants it."""
        local = termios.tcgetattr(self.terminal)[3]
        return bool(local & termios.ICANON and local & termios.ECHO)

    def ended(self) -> int:
        """Its exit status."""
        with suppress(EOFError):
            self.until("$never")
        return os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])


@pytest.fixture
def session() -> Iterator[Callable[..., Session]]:
    sessions: list[Session] = []

    def start(*words: object) -> Session:
        sessions.append(Session(*words))
        return sessions[-1]

    yield start
    for one in sessions:
        with suppress(OSError):
            os.killpg(one.process, signal.SIGKILL)
            os.waitpid(one.process, 0)
        os.close(one.terminal)


def command(pair: Pair, *more: object) -> list[object]:
    return [
        sys.executable, "-m", "impasto", "run", pair.content, pair.style, "-o",
        pair.content.parent / "out.png", "--size", 32, "--steps", 20_000, *SHALLOW, *more,
    ]  # fmt: skip


@pytest.mark.parametrize("pause", [True, False])
def test_the_terminal_is_as_it_was_when_the_run_is_terminated(
    pair: Pair, session: Callable[..., Session], pause: bool
) -> None:
    run = session(*command(pair))
    run.until("keys: p pause")
    run.until(r"[1-9]\d*/20000")
    if pause:
        run.press("p")
        run.until("paused after step")
    assert not run.shows_what_is_typed()
    os.kill(run.process, signal.SIGTERM)
    run.until("terminated; the picture after")
    assert run.settings() == run.before
    assert run.ended() == 143
    assert pair.content.with_name("out.png").is_file()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_ctrl_z_and_the_background(pair: Pair, session: Callable[..., Session]) -> None:
    shell = session("bash", "--norc", "--noprofile", "--noediting", "-i")
    line = shlex.join(map(str, command(pair, "--force")))
    shell.press(f"{line}\r")
    shell.until("keys: p pause")
    shell.until(r"[1-9]\d*/20000")
    assert not shell.shows_what_is_typed()
    shell.press("\x1a")
    shell.until("Stopped")
    shell.until("[$#] ")
    assert shell.settings() == shell.before
    shell.press("bg\r")
    # It goes on without the terminal, is not stopped for it, and takes no key that is for the shell.
    time.sleep(2)
    shell.press("echo n''ot q and x\r")
    shell.until("\nnot q and x")
    shell.press("jobs\r")
    shell.until("Running")
    assert shell.settings() == shell.before
    shell.press("fg\r")
    shell.until(r"[1-9]\d*/20000")
    shell.press("p")
    shell.until("paused after step")
    assert not shell.shows_what_is_typed()
    shell.press("q")
    shell.until("by the key q")
    shell.until("[$#] ")
    assert shell.settings() == shell.before
    shell.press(f"{line.replace('20000', '300')} & wait; echo status=$?\r")
    shell.until("status=0")
    shell.press("exit\r")
    assert shell.ended() == 0
