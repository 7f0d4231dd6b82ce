"""``ivdocker``: finds and runs the command, and turns an exception into one line and an exit code.

It parses the command line first, and then imports ``commands/NAME.py`` with everything that the command needs.
``--version``, ``--help`` and usage errors do without these imports.
"""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from typing import NoReturn

from ivdocker import __version__
from ivdocker.cli import streams
from ivdocker.cli.arguments import COMMANDS, parser_of
from ivdocker.cli.parser import Parser, did_you_mean
from ivdocker.cli.prepare import prepare
from ivdocker.errors import GracefulShutdown, InfraValidationError, UsageError

EXIT_NO_VERDICT = 3

Prepare = Callable[[str, argparse.Namespace], AbstractContextManager[None]]


class _Signalled(BaseException):
    """A signal came. It is not an Exception, so that ``except Exception`` does not catch it."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signal.Signals(signum)


def main(argv: Sequence[str] | None = None, prepare: Prepare = lambda _command, _arguments: nullcontext()) -> int:
    """Run one command. Return its exit code: 0 blessed, 1 not blessed, 2 usage, 3 no verdict, 128 + n signal n.

    The context manager ``prepare`` is entered when the arguments are valid, before the command is imported and run.
    """
    words = sys.argv[1:] if argv is None else argv
    _withdraw_blessing(words)
    parser = _parser()
    arguments = parser.parse_args(words)
    if arguments.command not in COMMANDS:
        given = "no command given"
        if arguments.command:
            given = f"unknown command {arguments.command!r}{did_you_mean(arguments.command, COMMANDS)}"
        parser.error(f"{given}; choose one of: {', '.join(COMMANDS)}")
    parsed = parser_of(arguments.command).parse_words(arguments.arguments)

    def run() -> int:
        _check_working_folder()
        with prepare(arguments.command, parsed):
            command = import_module(f"ivdocker.cli.commands.{arguments.command}")
            return int(command.run(parsed))

    return _guarded(run)


def run_and_exit() -> NoReturn:
    """Run main and exit at once: Python's normal cleanup of 400 modules would take 50 ms for nothing."""
    # Imports create almost no garbage. Without this the search for it takes 12 to 28 ms (60 and 30 pairs of runs).
    gc.set_threshold(200_000)
    streams.secure()
    try:
        exit_code = main(prepare=prepare)
    except SystemExit as error:
        exit_code = error.code if isinstance(error.code, int) else EXIT_NO_VERDICT
    except KeyboardInterrupt:
        exit_code = 128 + signal.SIGINT
    except _Signalled as error:
        exit_code = 128 + error.signum
    _deafen()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)


def _withdraw_blessing(words: Sequence[str]) -> None:
    """Remove the blessing of an earlier run, also if the rest of the command line is wrong, or a signal comes."""
    if "validate" not in words[:1] or not {"--dry-run", "--help", "-h"}.isdisjoint(words):
        return
    for word, following in zip(words, [*words[1:], ""], strict=True):
        option, equals, value = word.partition("=")
        if option == "--blessing" and (folder := value if equals else following):
            from ivdocker.report.blessing import withdraw

            withdraw(folder)


def _check_working_folder() -> None:
    try:
        os.getcwd()
    except OSError as error:
        raise UsageError(f"the working folder cannot be used ({error.strerror}): change to one that exists") from None


def _parser() -> Parser:
    width = max(map(len, COMMANDS))
    commands = "\n".join(f"  {name:<{width}}  {command.summary}" for name, command in COMMANDS.items())
    parser = Parser(
        prog="ivdocker",
        usage="ivdocker [--version] [--help] COMMAND ...",
        description="Will this model load and answer in the exact server image that we deploy?",
        epilog=f"commands (for details: ivdocker COMMAND --help):\n{commands}\n\n"
        "exit codes: 0 blessed, 1 not blessed, 2 usage, 3 no verdict (the environment's fault),\n"
        "130 or 143 interrupted by SIGINT or SIGTERM, after everything was removed",
        formatter=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"ivdocker {__version__}")
    parser.add_argument("command", metavar="COMMAND", nargs="?", help="one of: " + ", ".join(COMMANDS))
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def _guarded(run: Callable[[], int]) -> int:
    for each in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(each) == signal.SIG_DFL:
            signal.signal(each, _on_signal)
    try:
        return run()
    except UsageError as error:
        return _say(f"error: {error}", 2)
    except (KeyboardInterrupt, _Signalled, GracefulShutdown) as error:
        signum = signal.Signals(getattr(error, "signum", None) or signal.SIGINT)
        return _say(f"interrupted by {signum.name}; everything was removed", 128 + signum)
    except InfraValidationError as error:
        failure = error.failure
        if failure is None:
            return _say(f"error: {error}", EXIT_NO_VERDICT)
        hint = f"; {failure.hint}" if failure.hint else ""
        return _say(f"error: {failure.code}: {failure.message}{hint}", EXIT_NO_VERDICT if failure.is_environment else 1)
    except Exception:  # noqa: BLE001
        # Python would exit with 1, but 1 is a verdict on the model.
        import traceback  # imported only for a bug, because it takes 5 ms

        traceback.print_exc()
        return _say("error: this is a bug in ivdocker; please report it with the lines above", EXIT_NO_VERDICT)


def _on_signal(signum: int, _frame: object) -> None:
    raise _Signalled(signum)


def _deafen() -> None:
    """Ignore further signals: the exit code is decided."""
    for each in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(each, signal.SIG_IGN)


def _say(text: str, exit_code: int) -> int:
    print(f"ivdocker: {text}", file=sys.stderr)
    return exit_code
