"""L6. ``ivdocker``: reads the command line, runs the command, turns what is raised into one line and an exit code."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from ivdocker import __version__
from ivdocker.cli import doctor, serve, validate
from ivdocker.errors import GracefulShutdown, InfraValidationError, UsageError

EXIT_USAGE = 2
EXIT_NO_VERDICT = 3

COMMANDS = (validate, serve, doctor)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USAGE, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code: 0 blessed, 1 not blessed, 2 usage, 3 no verdict, 128 + n signal n."""
    arguments = _parser().parse_args(argv)
    received: list[signal.Signals] = []

    def on_signal(signum: int, _frame: FrameType | None) -> None:
        received.append(signal.Signals(signum))
        raise GracefulShutdown(signal.Signals(signum).name)

    for each in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(each) == signal.SIG_DFL:
            signal.signal(each, on_signal)
    try:
        return int(arguments.command.run(arguments))
    except UsageError as error:
        return _say(f"error: {error}", EXIT_USAGE)
    except KeyboardInterrupt:
        return _say("interrupted by SIGINT; everything was removed", 128 + signal.SIGINT)
    except GracefulShutdown as error:
        signum = received[0] if received else signal.SIGTERM
        return _say(f"interrupted by {error}; everything was removed", 128 + signum)
    except InfraValidationError as error:
        failure = error.failure
        text = (
            f"{failure.code}: {failure.message}" + (f"; {failure.hint}" if failure.hint else "") if failure else error
        )
        return _say(f"error: {text}", EXIT_NO_VERDICT if failure is None or failure.is_environment else 1)


def _say(text: object, exit_code: int) -> int:
    print(f"ivdocker: {text}", file=sys.stderr)
    return exit_code


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="ivdocker",
        description="Will this model load and answer in the exact server image that we deploy?",
        epilog="exit codes: 0 blessed, 1 not blessed, 2 usage, 3 no verdict (the environment), 130 or 143 interrupted",
    )
    parser.add_argument("--version", action="version", version=f"ivdocker {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    for command in COMMANDS:
        name = command.__name__.rpartition(".")[2]
        subparser = commands.add_parser(name, help=command.HELP, description=command.DESCRIPTION)
        command.add_arguments(subparser)
        subparser.set_defaults(command=command)
    return parser
