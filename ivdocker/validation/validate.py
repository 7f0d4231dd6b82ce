"""``validate``: does a model load and answer in each of these images?"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ivdocker import clock
from ivdocker.container import session
from ivdocker.container.options import RunOptions
from ivdocker.container.signals import guard
from ivdocker.errors import UsageError
from ivdocker.report.observer import Observer
from ivdocker.report.verdict import Report, RunReport
from ivdocker.servers.base import ServingBinary
from ivdocker.serving_spec import ServingSpec
from ivdocker.validation import budgets as budget_rules
from ivdocker.validation.argument_types import check_types
from ivdocker.validation.attempt import run_one
from ivdocker.validation.before_start import check_before_start
from ivdocker.validation.budgets import Budgets
from ivdocker.validation.memory_search import find_memory as search_memory
from ivdocker.validation.plan import LOAD_TIMEOUT_S, Checks, Job, Subject, plan

if TYPE_CHECKING:
    from ivdocker.requests.model import Request, Requests
    from ivdocker.requests.warmup import Warmup

# The rooms of requests are imported where there are some: a run without any does not wait for them.

_TICK_S = 0.02


def validate(
    model: str | os.PathLike[str],
    *,
    images: list[str] | tuple[str, ...] = (),
    spec: ServingSpec | Mapping[str, Any] | str | Any = None,
    server: str = "auto",
    model_name: str | None = None,
    requests: str | os.PathLike[str] | list[Any] | None = None,
    synthesize: int = 0,
    seed: int = 0,
    checks: Checks = Checks(),  # noqa: B008  (records are immutable)
    budgets: Budgets = Budgets(),  # noqa: B008
    options: RunOptions = RunOptions(),  # noqa: B008
    timeout_s: float = LOAD_TIMEOUT_S,
    tries: int = 1,
    jobs: int = 1,
    find_memory: bool = False,
    record: str | os.PathLike[str] | None = None,
    warmup: str | os.PathLike[str] | None = None,
    observer: Observer = Observer(),  # noqa: B008
) -> Report:
    """Check that the model loads and answers in each image. Return a report with the verdicts.

    What to validate:

    - ``model``: a folder, or a URI that the server opens itself.
    - ``images``: server images. Or ``spec`` instead: a TFX ServingSpec (ours, a dict, its JSON text, or TFX's message),
      which names TensorFlow Serving images by tag and digest.
    - ``server``: the kind of model server. ``auto`` finds it by the image's name, its configuration, or the folder.
    - ``model_name``: the name to serve the model by (default: the folder's name).

    What to send once the model is loaded:

    - ``requests``: a requests file, a directory of them, ``-`` for standard input (formats: docs/requests.md), or a
      list. Each item of a list is what a line of a requests file may contain.
    - ``synthesize``: how many requests to synthesize for the model's inputs. ``seed`` is the random seed.

    How to run, and what to check:

    - ``checks``: how to send requests and what to check of the responses. ``budgets``: limits of time, memory, errors.
    - ``options``: how to run the container.
    - ``timeout_s``: limit for loading, in seconds (default 300). ``tries``: how often to try, if the failure may go
      away (the environment, a server that ended without a known cause). ``jobs``: how many images to run in parallel.
    - ``find_memory``: also find the smallest memory limit under which a blessed model loads and answers.
    - ``record``: the requests file for the responses of a blessed run. ``warmup``: the folder for a copy of a blessed
      SavedModel, with a warm-up file made from the requests.
    - ``observer``: gets the events of the run as they happen.

    Raises UsageError if the arguments are wrong, GracefulShutdown after a signal. Other failures are in the report.
    """
    check_types(validate, locals())
    job = plan(Subject(model, images, spec, server, model_name), options, checks)
    with _requests(requests, checks) as loaded, _warmup(warmup, job) as notes:
        job = job._replace(requests=loaded, synthesize=synthesize, seed=seed, budgets=budgets, warmup=notes)
        job = job._replace(timeout_s=timeout_s, tries=tries, observer=observer)
        extras = _Extras(jobs, find_memory, record)
        _check(job, extras)
        check_before_start(job)
        observer.planned(len(job.binaries) + (job.reference is not None), len(loaded) + synthesize)
        report = _run(job, extras)
        observer.finished(report)
        if notes and report.blessed:
            watch = clock.Stopwatch()
            observer.stage("", "warmup", watch.seconds, notes.write())
    return report


class _Extras(NamedTuple):
    """Options that concern all images together."""

    jobs: int
    find_memory: bool
    record: str | os.PathLike[str] | None


def _requests(
    requests: str | os.PathLike[str] | list[Any] | None, checks: Checks
) -> contextlib.AbstractContextManager[Requests | Sequence[Request]]:
    """Raises UsageError for requests that cannot be read."""
    if requests is None:
        return contextlib.nullcontext(())
    from ivdocker.requests.read.files import open_requests

    return open_requests(requests, checks.ignore_columns)


def _warmup(folder: str | os.PathLike[str] | None, job: Job) -> contextlib.AbstractContextManager[Warmup | None]:
    """Raises UsageError if the warm-up folder cannot be made."""
    if folder is None:
        return contextlib.nullcontext()
    from ivdocker.requests.warmup import warmup

    return warmup(folder, job.model, job.binaries)


def _check(job: Job, extras: _Extras) -> None:
    if not job.timeout_s > 0:
        raise UsageError(f"the timeout must be more than 0 seconds, not {job.timeout_s:g}")
    counts = {"jobs": extras.jobs, "tries": job.tries, **job.checks._asdict()}
    for name in ("jobs", "tries", "repeat", "concurrency"):
        if counts[name] < 1:
            raise UsageError(f"{name} must be at least 1, not {counts[name]}")
    if job.synthesize < 0:
        raise UsageError(f"synthesize must be at least 0, not {job.synthesize}")
    budget_rules.check(job.budgets)
    wanted = {
        "--record": extras.record,
        "--against": job.reference,
        "--deterministic": job.checks.deterministic,
        "--warmup": job.warmup,
        "a budget for answers": job.budgets.needs_requests,
    }
    for name, value in wanted.items():
        if value and not job.has_requests:
            raise UsageError(f"{name} without requests to send: give --requests FILE or --synthesize")
    if extras.jobs > 1 and job.options.network == "host":
        raise UsageError("in the host's network all images would have the same ports: leave --jobs out")
    if extras.find_memory and job.options.memory:
        raise UsageError("--find-memory looks for a limit: leave --memory out")
    if extras.record is not None and job.budgets.error_rate:
        raise UsageError("answers that may be wrong are not recorded: choose --record or --max-error-rate")


def _run(job: Job, extras: _Extras) -> Report:
    watch = clock.Stopwatch()
    with guard.held(), session.held(job.engine):
        runs, problem = _run_recorded(job, extras)
    report = Report(job.model.location, watch.seconds, runs, job.engine)
    report.record_problem = problem
    return report


def _run_recorded(job: Job, extras: _Extras) -> tuple[list[RunReport], str | None]:
    """The runs, and why they could not be recorded."""
    if extras.record is None:
        return _run_compared(job, extras), None
    from ivdocker.requests.record import Recording

    with Recording(extras.record) as recording:
        runs = _run_compared(job._replace(sinks=[recording]), extras)
        return runs, recording.keep() if all(run.failure is None for run in runs) else None


def _run_compared(job: Job, extras: _Extras) -> list[RunReport]:
    if job.reference is None:
        return list(_run_each(job, extras))
    from ivdocker.requests.record import Answers

    with Answers(job.reference.image) as answers:
        reference = run_one(job._replace(sinks=[*job.sinks, answers], warmup=None), job.reference)
        if reference.failure:
            text = f"{reference.failure.message} (the image of --against; the others need its answers and were not run)"
            reference.failure = reference.failure._replace(message=text)
            return [reference]
        rest = job._replace(requests=answers, synthesize=0, sinks=())
        return [reference, *_run_each(rest, extras)]


def _run_each(job: Job, extras: _Extras) -> Iterator[RunReport]:
    """Run the images. Only the first image's results are collected: one response per request is enough."""
    rest = job._replace(sinks=(), warmup=None)
    pairs = [(rest if number else job, binary) for number, binary in enumerate(job.binaries)]
    if extras.jobs == 1 or len(pairs) == 1:
        yield from (_run_image(each, binary, extras) for each, binary in pairs)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(extras.jobs, thread_name_prefix="ivdocker") as pool:
        runs = [pool.submit(_run_image, each, binary, extras) for each, binary in pairs]
        # Short sleeps, because signal handlers run in this thread, but not while it waits for a lock.
        while not all(run.done() for run in runs):
            clock.sleep(_TICK_S)
        yield from (run.result() for run in runs)


def _run_image(job: Job, binary: ServingBinary, extras: _Extras) -> RunReport:
    report = run_one(job, binary)
    if extras.find_memory and report.failure is None:
        search_memory(job, binary, report)
    return report
