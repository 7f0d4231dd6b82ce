"""``ivdocker validate``: validates the model and writes the result files."""

from __future__ import annotations

import argparse

from ivdocker.cli.arguments import record_from
from ivdocker.cli.commands.common import run_options, show_log
from ivdocker.cli.results import Results, check_places
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
    check_places(arguments)
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
        observer=Results(arguments),
    )
    return report.exit_code
