"""``ivdocker serve``: run a model server until Ctrl-C."""

from __future__ import annotations

import argparse
import sys

from ivdocker.cli.arguments import (
    add_container_arguments,
    add_model_arguments,
    add_verbosity_arguments,
    run_options,
    show_log,
    started_ahead,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

DESCRIPTION = "Run MODEL on IMAGE until Ctrl-C, and print a curl line that asks it."

_CHECK_S = 0.1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model_arguments(parser)
    parser.add_argument("--image", required=True, metavar="IMAGE", help="the server image")
    add_container_arguments(parser)
    add_verbosity_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Runs until a signal, or until the server ends, which is an error."""
    with started_ahead(arguments.engine):
        return _serve(arguments)


def _serve(arguments: argparse.Namespace) -> NoReturn:
    from ivdocker import clock
    from ivdocker.validation import serve
    from ivdocker.validation.attempt import ready_text

    show_log(arguments)

    def say(text: str) -> None:
        if not arguments.quiet:
            print(text, file=sys.stderr, flush=True)

    with serve.serve(
        arguments.model,
        image=arguments.image,
        timeout_s=arguments.timeout,
        on_stage=lambda stage, text: say(f"{stage:<8} {text}" if stage == "server" else text),
        server=arguments.server,
        model_name=arguments.model_name,
        options=run_options(arguments),
    ) as served:
        for protocol, address in served.endpoint.addresses.items():
            say(f"{protocol:<8} {address}")
        say(f"{ready_text(served.models)}; Ctrl-C stops the server and removes it")
        print(served.curl(), flush=True)
        while True:
            served.check()
            clock.sleep(_CHECK_S)
