"""``impasto``: the group of commands. Each is imported when it is called, so that --help is fast."""

from __future__ import annotations

import importlib
import logging
import os
import signal
import sys
import traceback
from collections.abc import Iterable
from typing import NoReturn

import click
from click.shell_completion import CompletionItem

from impasto import __version__
from impasto.command.instructions import check_instructions
from impasto.command.leaving import leave
from impasto.command.other_words import answer
from impasto.command.printing import say
from impasto.command.streams import guarded_streams, open_closed_streams
from impasto.command.threads import configure_threads
from impasto.errors import ImpastoError, one_line, unknown, visible
from impasto.jobs.signals import StopSignals
from impasto.optimization.memory import is_out_of_memory, use_huge_pages

COMMANDS = {
    "run": ("impasto.command.run:run", "Paint the content of one picture in the style of another."),
    "studio": (
        "impasto.command.studio:studio",
        "Open a page to paint from, to watch and to steer.",
    ),
    "texture": (
        "impasto.command.texture:texture",
        "Paint a texture of any size from pictures alone.",
    ),
    "grid": ("impasto.command.grid:grid", "Paint each content in each style, in one sheet."),
    "batch": (
        "impasto.command.batch:batch",
        "Paint many pictures; what is done is not done again.",
    ),
    "video": ("impasto.command.video:video", "Paint a film, each frame from the one before."),
    "sweep": ("impasto.command.sweep:sweep", "Paint combinations of settings into one sheet."),
    "compare": (
        "impasto.command.compare:compare",
        "Measure how near results are to style and content.",
    ),
    "style": ("impasto.command.style:style", "Learn a painting's style into a file, or show one."),
    "show": ("impasto.command.recipe:show", "Print how a picture was made."),
    "rerun": ("impasto.command.recipe:rerun", "Repeat the run that made a picture."),
    "profile": ("impasto.command.profile:profile", "Paint, and say where the time goes."),
    "resume": ("impasto.command.resume:resume", "Continue a run that was stopped."),
    "plugins": ("impasto.command.plugins:plugins", "List plugins with their options, or show one."),
    "presets": ("impasto.command.presets:presets", "List presets with what they set."),
    "bench": (
        "impasto_profiling.bench.command:bench",
        "Measure speed and memory, compared with other programs.",
    ),
}
"""Each command: where it is, and its line in the help."""


class LazyGroup(click.Group):
    """A group whose commands are imported only when one is called."""

    called: click.Command | None = None
    """The command that was called; its options are the ones that a hint may name."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if line := answer(args[:1], ("--version", "--debug", "--help")):
            raise click.UsageError(f"{line}, after a command, as impasto run", ctx)
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, self.called, rest = super().resolve_command(ctx, args)
        return name, self.called, rest

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS and os.path.isfile(cmd_name):
            ctx.fail(f"'{cmd_name}' is no command; to paint it: impasto run {cmd_name} STYLE")
        if cmd_name not in COMMANDS:
            ctx.fail(unknown("command", cmd_name, COMMANDS))
        home, _, name = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(home), name)
        assert isinstance(command, click.Command)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        # By the table alone: click would import every command for its line of help.
        names = [name for name in COMMANDS if name.startswith(incomplete)]
        return [CompletionItem(name, help=COMMANDS[name][1]) for name in names]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


class TerminalHandler(logging.Handler):
    """Writes what the library has to say to standard error, a line each."""

    def __init__(self, tracebacks: bool) -> None:
        super().__init__()
        self.tracebacks = tracebacks

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and not self.tracebacks:
            return
        prefix = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
        hint = with_options("", getattr(record, "settings", ()))
        _say(visible(f"impasto: {prefix}{record.getMessage()}{hint}"))
        if record.exc_info:
            _say("".join(traceback.format_exception(*record.exc_info)))


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="impasto")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def group(ctx: click.Context, debug: bool) -> None:
    """Neural style transfer: paint the content of one picture in the style of another."""
    if ctx.invoked_subcommand is None:
        say(ctx.get_help())
    logger = logging.getLogger("impasto")
    logger.handlers = [TerminalHandler(debug)]
    logger.propagate = False
    logger.setLevel(logging.DEBUG if debug else logging.INFO)


def command() -> NoReturn:
    """Run the command line in a process of its own, and end that."""
    try:
        main()
    except SystemExit as end:
        leave(end.code if isinstance(end.code, int) else 0)


def main() -> NoReturn:
    """Run the command line: errors are one clear line and an exit status other than zero."""
    open_closed_streams()
    signals = StopSignals()
    with guarded_streams(), signals.watched(defaults=True):
        use_huge_pages(os.environ)
        for line in (configure_threads(os.environ), check_instructions(os.environ)):
            if line:
                _say(visible(f"impasto: warning: {line}"))
        status = _status(signals)
    sys.exit(status)


def _status(signals: StopSignals) -> int:
    try:
        try:
            status = group.main(prog_name="impasto", standalone_mode=False)
        finally:
            # From here on there is nothing left to stop.
            signals.hold()
    except (click.exceptions.Abort, KeyboardInterrupt) as error:
        # Abort is click's word for a KeyboardInterrupt, which it keeps as the cause.
        stopped = error.__cause__ or error
        # The exit status that a shell gives to a process that a signal ended.
        status = 128 + getattr(stopped, "number", signal.SIGINT)
        status = _fail(str(stopped) or "interrupted", status)
    except click.ClickException as error:
        status = _fail(error.format_message(), error.exit_code)
    except ImpastoError as error:
        status = _fail(with_options(str(error), error.settings), 1)
    except BrokenPipeError:
        status = 1
    except Exception as error:
        status = _fail(_unforeseen(error), 1)
    return status if isinstance(status, int) else 0


def with_options(message: str, settings: Iterable[str]) -> str:
    """A message of the engine, with the options of the command that was called for some settings.

    >>> with_options("the picture is too large", ["no_such_setting"])
    'the picture is too large'
    """
    options = [f"--{name.replace('_', '-')}" for name in settings]
    known = [option for option in options if option in _options_of(group.called)]
    return f"{message} ({', '.join(known)})" if known else message


def _options_of(command: click.Command | None) -> set[str]:
    # A group within a group has the options of its commands: the error is of one of them.
    if command is None:
        return set()
    inner = command.commands.values() if isinstance(command, click.Group) else ()
    own = {option for parameter in command.params for option in parameter.opts}
    return own.union(*map(_options_of, inner))


def _unforeseen(error: Exception) -> str:
    if is_out_of_memory(error):
        return with_options(
            "out of memory; a smaller size and smaller pictures need less", ["size"]
        )
    hint = "" if _debugging() else "; 'impasto --debug …' shows where"
    return f"bug in Impasto, please report it: {type(error).__name__}: {one_line(str(error))}{hint}"


def _say(text: str) -> None:
    say(text, err=True)


def _debugging() -> bool:
    handlers = logging.getLogger("impasto").handlers
    return any(isinstance(one, TerminalHandler) and one.tracebacks for one in handlers)


def _fail(line: str, status: int) -> int:
    if _debugging():
        _say(traceback.format_exc())
    _say(visible(f"impasto: error: {line}"))
    return status
