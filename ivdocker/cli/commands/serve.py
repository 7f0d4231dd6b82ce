"""``ivdocker serve``: runs a model server until Ctrl-C."""

from __future__ import annotations

import argparse
import sys
from typing import NoReturn

from ivdocker import clock
from ivdocker.cli.commands.common import run_options, show_log
from ivdocker.validation.attempt import ready_text
from ivdocker.validation.serve import serve

_CHECK_S = 0.1


def run(arguments: argparse.Namespace) -> NoReturn:
    """Run until a signal comes, or until the server ends, which is an error."""
    show_log(arguments)

    def say(text: str) -> None:
        if not arguments.quiet:
            print(text, file=sys.stderr, flush=True)

    with serve(
        arguments.model,
        image=arguments.image,
        server=arguments.server,
        model_name=arguments.model_name,
        options=run_options(arguments),
        timeout_s=arguments.timeout_s,
        on_stage=lambda stage, text: say(f"{stage:<8} {text}" if stage == "server" else text),
    ) as served:
        for protocol, address in served.endpoint.addresses.items():
            say(f"{protocol:<8} {address}")
        say(f"{ready_text(served.models)}; Ctrl-C stops the server and removes it")
        print(served.curl(), flush=True)
        while True:
            served.check()
            clock.sleep(_CHECK_S)
