"""``ivdocker validate``: the main job."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import nullcontext

from ivdocker.cli.arguments import (
    add_container_arguments,
    add_model_arguments,
    add_verbosity_arguments,
    read_spec,
    run_options,
    show_log,
    started_ahead,
)
from ivdocker.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ivdocker.report.verdict import Report
    from ivdocker.validation.attempt import Job
    from ivdocker.validation.budgets import Budgets

DESCRIPTION = (
    "Run MODEL on each IMAGE, wait until the model is ready, send it requests, and give a verdict with a cause."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model_arguments(parser)
    parser.add_argument("--image", action="append", default=[], metavar="IMAGE", help="a server image; may be repeated")
    parser.add_argument("--spec", metavar="FILE", help="a TFX ServingSpec as JSON, instead of --image")
    parser.add_argument(
        "--requests", metavar="FILE|DIR|-", help="requests to send: JSON Lines, JSON, TFRecord, .npz, .csv, images, ..."
    )
    _add_answer_arguments(parser)
    _add_budget_arguments(parser)
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="images validated at the same time (default 1)"
    )
    parser.add_argument(
        "--tries", type=int, default=1, metavar="N", help="how often to try what may change (default 1)"
    )
    parser.add_argument("--json", metavar="FILE|-", help="write the report as JSON")
    parser.add_argument("--blessing", metavar="DIR", help="write INFRA_BLESSED or INFRA_NOT_BLESSED there")
    parser.add_argument("--evidence", metavar="DIR", help="write down there what happens, while it happens")
    parser.add_argument(
        "--keep", action="store_true", help="leave a container that failed, and say how to look into it"
    )
    parser.add_argument(
        "--graceful-stop", action="store_true", help="SIGTERM must end the server with 0 or 143, without docker's init"
    )
    parser.add_argument(
        "--find-memory", action="store_true", help="find the smallest --memory under which it loads and answers"
    )
    parser.add_argument("--dry-run", action="store_true", help="print the commands and do nothing")
    add_container_arguments(parser)
    add_verbosity_arguments(parser)


def _add_answer_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--synthesize",
        nargs="?",
        type=_count,
        const=3,
        default=0,
        metavar="N",
        help="send N requests made up for the model's inputs (default 3)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="seed of what is made up (default 0)")
    parser.add_argument(
        "--deterministic", action="store_true", help="send each request twice; the answers must be equal"
    )
    parser.add_argument("--record", metavar="FILE", help="write requests and answers, when all is well, as JSON Lines")
    parser.add_argument(
        "--warmup", metavar="DIR", help="make DIR a copy of a blessed SavedModel that warms up with these requests"
    )
    parser.add_argument("--against", metavar="IMAGE", help="run this image first; the others must answer as it does")


def _add_budget_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("budgets", "limits; a run that exceeds one is not blessed")
    add = group.add_argument
    add("--repeat", type=int, default=1, metavar="N", help="send all requests N times (default 1)")
    add("--concurrency", type=int, default=1, metavar="N", help="N requests at a time (default 1)")
    add("--max-load-seconds", type=float, metavar="S", help="from the container's start until the model is ready")
    add("--max-first-ms", type=float, metavar="MS", help="the first answer")
    for percent in (50, 95, 99):
        add(f"--max-p{percent}-ms", type=float, metavar="MS", help=f"the {percent}th percentile of the latency")
    add("--max-error-rate", type=float, metavar="R", help="share of requests that may fail, 0 to 1 (default 0)")
    add("--max-memory", metavar="SIZE", help="peak memory of the server, such as 2g")
    add("--max-log-errors", type=int, metavar="N", help="lines of its log that report an error")


def _budgets(arguments: argparse.Namespace) -> Budgets:
    from ivdocker.validation.budgets import Budgets, size

    names = ("load_seconds", "first_ms", "p50_ms", "p95_ms", "p99_ms", "error_rate", "log_errors")
    limits = {name: getattr(arguments, f"max_{name}") for name in names}
    return Budgets(**limits, memory_bytes=size(arguments.max_memory) if arguments.max_memory else None)


def _count(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        why = f"{text!r} is no number; put MODEL before it, or write --synthesize=3"
        raise argparse.ArgumentTypeError(why) from None


def run(arguments: argparse.Namespace) -> int:
    """Returns the verdict's exit code. Raises UsageError, GracefulShutdown."""
    # A ServingSpec may name another engine.
    ahead = nullcontext() if arguments.dry_run or arguments.spec else started_ahead(arguments.engine)
    with ahead:
        return _validate(arguments)


def _validate(arguments: argparse.Namespace) -> int:
    from ivdocker.validation import validate

    show_log(arguments)
    job = validate.plan(
        arguments.model,
        images=arguments.image,
        server=arguments.server,
        model_name=arguments.model_name,
        spec=read_spec(arguments.spec),
        options=run_options(arguments)._replace(
            keep=arguments.keep,
            evidence=arguments.evidence or None,
            graceful_stop=arguments.graceful_stop,
        ),
    )
    job = _with_questions(job, arguments)
    job = job._replace(names_engine=bool(arguments.json or arguments.evidence))
    job = job._replace(timeout_s=arguments.timeout, jobs=arguments.jobs, tries=arguments.tries)
    with (
        validate.load_requests(arguments.requests) as requests,
        validate.warmup_for(arguments.warmup, job) as warmup,
    ):
        count = len(requests) + job.synthesize
        return _carry_out(job._replace(requests=requests, warmup=warmup), arguments, count)


def _carry_out(job: Job, arguments: argparse.Namespace, requests: int) -> int:
    if arguments.dry_run:
        from ivdocker.validation.dry_run import commands

        for line in commands(job):
            print(line)
        return 0
    from ivdocker.report.terminal import Terminal
    from ivdocker.validation import validate

    level = 2 if arguments.verbose else 0 if arguments.quiet else 1
    terminal = Terminal(sys.stderr, level, len(job.binaries) + (job.against is not None), requests)
    job = job._replace(observer=terminal)
    report = validate.run(job)
    terminal.verdict(report)
    if arguments.record:
        terminal.recorded(report, arguments.record)
    _write_results(arguments, report)
    validate.write_warmup(job, report)
    return report.exit_code


def _with_questions(job: Job, arguments: argparse.Namespace) -> Job:
    from ivdocker.validation import validate

    if arguments.against:
        job = validate.with_reference(job, arguments.against, arguments.server, arguments.model_name)
    return job._replace(
        synthesize=arguments.synthesize,
        seed=arguments.seed,
        deterministic=arguments.deterministic,
        record=arguments.record,
        repeat=arguments.repeat,
        concurrency=arguments.concurrency,
        budgets=_budgets(arguments),
        find_memory=arguments.find_memory,
    )


def _write_results(arguments: argparse.Namespace, report: Report) -> None:
    paths = [arguments.json, arguments.evidence and os.path.join(arguments.evidence, "report.json")]
    for path in filter(None, paths):
        from ivdocker.report.as_json import as_json

        _write(path, as_json(report))
    if arguments.blessing:
        from ivdocker.report.blessing import write_blessing

        write_blessing(arguments.blessing, report.verdict)


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
