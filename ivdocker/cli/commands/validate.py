"""``ivdocker validate``: validates the model and writes the result files."""

from __future__ import annotations

import argparse
import os
import sys

from ivdocker.cli.arguments import record_from
from ivdocker.cli.commands.common import run_options, show_log
from ivdocker.errors import UsageError
from ivdocker.report.terminal import Terminal
from ivdocker.report.verdict import Report
from ivdocker.validation.budgets import Budgets
from ivdocker.validation.plan import Checks, Subject
from ivdocker.validation.validate import validate


def run(arguments: argparse.Namespace) -> int:
    """Return the verdict's exit code. Raises UsageError, GracefulShutdown."""
    show_log(arguments)
    options, checks = run_options(arguments), record_from(Checks, arguments)
    if arguments.dry_run:
        from ivdocker.validation.dry_run import commands

        subject = record_from(Subject, arguments)
        for line in commands(subject, options, checks, arguments.requests, arguments.synthesize, arguments.seed):
            print(line)
        return 0
    report = validate(
        arguments.model,
        images=arguments.images,
        spec=arguments.spec,
        server=arguments.server,
        model_name=arguments.model_name,
        requests=arguments.requests,
        synthesize=arguments.synthesize,
        seed=arguments.seed,
        checks=checks,
        budgets=record_from(Budgets, arguments),
        options=options,
        timeout_s=arguments.timeout_s,
        tries=arguments.tries,
        jobs=arguments.jobs,
        find_memory=arguments.find_memory,
        record=arguments.record,
        warmup=arguments.warmup,
        observer=_Results(arguments),
    )
    return report.exit_code


class _Results(Terminal):
    """Prints to the terminal, and writes the result files once there is a verdict."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        super().__init__(sys.stderr, 2 if arguments.verbose else 0 if arguments.quiet else 1)
        self._arguments = arguments

    def finished(self, report: Report) -> None:
        super().finished(report)
        arguments = self._arguments
        if arguments.record:
            self.recorded(report, arguments.record)
        if arguments.blessing:
            from ivdocker.report.blessing import write_blessing

            write_blessing(arguments.blessing, report.verdict)
        if arguments.json:
            _write(arguments.json, report.to_json())
        if arguments.evidence:
            _write(os.path.join(arguments.evidence, "report.json"), report.to_json())


def _write(path: str, text: str) -> None:
    if path == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"cannot write the report to {path!r}: {error.strerror}") from None
