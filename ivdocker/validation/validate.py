"""The main job: validate a model on each of the images."""

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from ivdocker import clock
from ivdocker.container.options import RunOptions, check_image_name
from ivdocker.container.runner import engine_for
from ivdocker.container.signals import guard
from ivdocker.engine.client import EngineError
from ivdocker.engine.parse import Image
from ivdocker.errors import UsageError
from ivdocker.model_path import ModelPath, locate
from ivdocker.report.verdict import Report, RunReport
from ivdocker.servers.base import ServingBinary
from ivdocker.servers.select import select_server
from ivdocker.tfx import LocalDockerConfig, ServingSpec
from ivdocker.validation import budgets
from ivdocker.validation.attempt import LOAD_TIMEOUT_S, EngineQuestion, Job, asks, run_one

if TYPE_CHECKING:
    from ivdocker.requests.model import Request, Requests
    from ivdocker.requests.warmup import Warmup

_TICK_S = 0.02
_QUESTIONS = ("synthesize", "seed", "deterministic", "record", "repeat", "concurrency", "budgets", "find_memory")


class _What(NamedTuple):
    server: str
    model_name: str | None
    options: RunOptions


def plan(
    model: str | os.PathLike[str],
    *,
    images: Sequence[str] = (),
    server: str = "auto",
    model_name: str | None = None,
    spec: Any = None,
    options: RunOptions | None = None,
) -> Job:
    """A job from what a user says: the images, or a ServingSpec that names them. Raises UsageError."""
    if bool(images) == bool(spec):
        raise UsageError("say on which images: either images (--image) or a ServingSpec (--spec), and not both")
    located = locate(model)
    serving_spec = ServingSpec.of(spec) if spec else ServingSpec()
    if spec:
        named = serving_spec._replace(model_name=model_name) if model_name else serving_spec
        binaries = named.serving_binaries()
        for binary in binaries:
            check_image_name(binary.image)
    else:
        what = _What(server, model_name, options or RunOptions())
        binaries = [_binary(image, located, what) for image in images]
    return Job(located, binaries, serving_spec, options or RunOptions())


def validate(
    model: str | os.PathLike[str],
    *,
    images: Sequence[str] = (),
    requests: str | os.PathLike[str] | None = None,
    timeout_s: float = LOAD_TIMEOUT_S,
    jobs: int = 1,
    tries: int = 1,
    **what: Any,
) -> Report:
    """Does the model load, and answer, in each of these images?

    ``model``: a folder or a URI. ``requests``: what to send once it is loaded: a file, a directory of them, or ``-``
    for standard input, in the formats of docs/requests.md. ``timeout_s``: seconds that loading may take. ``jobs``:
    images validated at the same time. ``tries``: how often what may change (the environment, a server that ended
    without a known cause) is tried.

    ``what``: ``server``, ``model_name``, ``spec`` and ``options`` as in :func:`plan`; ``synthesize`` (how many requests
    to make up for the model's inputs, 0), ``seed`` (of their values, 0), ``deterministic`` (send each request twice and
    want equal answers), ``record`` (the requests file to write a good run's answers to), ``against`` (the image whose
    answers the others must give), ``repeat`` (how often all requests are sent, 1), ``concurrency`` (how many at a time,
    1), ``budgets`` (Budgets), ``find_memory`` (look for the smallest memory limit),
    ``warmup`` (the folder that becomes a copy of the SavedModel, when it is blessed, with a warm-up file made from the
    requests). Raises UsageError when that cannot be asked, GracefulShutdown when a signal came; all else is in the
    report.
    """
    asked = {key: what.pop(key) for key in _QUESTIONS if key in what}
    reference, folder = what.pop("against", None), what.pop("warmup", None)
    job = plan(model, images=images, **what)
    if reference:
        job = with_reference(job, reference, what.get("server", "auto"), what.get("model_name"))
    with load_requests(requests) as loaded, warmup_for(folder, job) as warmup:
        job = job._replace(requests=loaded, warmup=warmup, timeout_s=timeout_s, jobs=jobs, tries=tries, **asked)
        report = run(job)
        write_warmup(job, report)
        return report


def with_reference(job: Job, image: str, server: str = "auto", model_name: str | None = None) -> Job:
    """The job, with the answers of ``image`` as what is expected of the others. Raises UsageError."""
    what = _What(server, model_name or job.binaries[0].model_name, job.options)
    return job._replace(against=_binary(image, job.model, what))


def load_requests(path: str | os.PathLike[str] | None) -> "AbstractContextManager[Sequence[Request] | Requests]":
    """The requests of a file, none without one. Raises UsageError."""
    if path is None:
        return nullcontext(())
    from ivdocker.requests.read import files

    return files.load(path)


def warmup_for(folder: str | os.PathLike[str] | None, job: Job) -> "AbstractContextManager[Warmup | None]":
    """What will write the warm-up folder, nothing without one. Raises UsageError where there can be none."""
    if folder is None:
        return nullcontext()
    from ivdocker.requests.warmup import warmup

    return warmup(folder, job.model, job.binaries)


def write_warmup(job: Job, report: Report) -> None:
    """Write the warm-up folder of a model that is blessed. Raises UsageError when that cannot be done."""
    if job.warmup and report.blessed:
        watch = clock.Stopwatch()
        written = job.warmup.write()
        job.observer.stage("", "warmup", watch.seconds, written)


def run(job: Job) -> Report:
    """Do the job. Raises UsageError, GracefulShutdown."""
    _check(job)
    watch = clock.Stopwatch()
    engine = EngineQuestion(engine_for(job.spec.local_docker, job.options.engine))
    with guard.held():
        runs = _run_all(job, engine)
        return Report(job.model.location, watch.seconds, runs, engine.answer())


def _check(job: Job) -> None:
    if not job.timeout_s > 0:
        raise UsageError(f"the timeout must be more than 0 seconds, not {job.timeout_s:g}")
    for name in ("jobs", "tries", "repeat", "concurrency"):
        if getattr(job, name) < 1:
            raise UsageError(f"{name} must be at least 1, not {getattr(job, name)}")
    if job.synthesize < 0:
        raise UsageError(f"synthesize must be at least 0, not {job.synthesize}")
    budgets.check(job.budgets)
    wanted = {
        "--record": job.record,
        "--against": job.against,
        "--deterministic": job.deterministic,
        "--warmup": job.warmup,
        "a budget for answers": job.budgets.needs_requests,
    }
    for name, value in wanted.items():
        if value and not asks(job):
            raise UsageError(f"{name} without requests to send: give --requests FILE or --synthesize")
    if job.find_memory and job.options.memory:
        raise UsageError("--find-memory looks for a limit: leave --memory out")
    if job.record is not None and job.budgets.error_rate:
        raise UsageError("answers that may be wrong are not recorded: choose --record or --max-error-rate")


def _run_all(job: Job, engine: EngineQuestion) -> list[RunReport]:
    if job.record is None:
        return _run_compared(job, engine)
    from ivdocker.requests.record import Recording

    with Recording(job.record) as recording:
        runs = _run_compared(job._replace(keepers=[recording]), engine)
        if all(run.failure is None for run in runs):
            recording.keep()
        return runs


def _run_compared(job: Job, engine: EngineQuestion) -> list[RunReport]:
    if job.against is None:
        return _run_each(job, engine)
    from ivdocker.requests.record import Answers

    with Answers(job.against.image) as answers:
        reference = run_one(job._replace(keepers=[*job.keepers, answers], warmup=None), job.against, engine)
        if reference.failure:
            text = f"{reference.failure.message} (the image of --against; without its answers no other was run)"
            reference.failure = reference.failure._replace(message=text)
            return [reference]
        rest = job._replace(requests=answers, synthesize=0, keepers=())
        return [reference, *_run_each(rest, engine)]


def _run_each(job: Job, engine: EngineQuestion) -> list[RunReport]:
    """Only the first run is kept: one answer to a request is enough."""
    jobs = [job, *[job._replace(keepers=(), warmup=None)] * (len(job.binaries) - 1)]
    if job.jobs == 1 or len(job.binaries) == 1:
        return [_run_one(each, binary, engine) for each, binary in zip(jobs, job.binaries, strict=True)]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(job.jobs, thread_name_prefix="ivdocker") as pool:
        runs = [pool.submit(_run_one, each, binary, engine) for each, binary in zip(jobs, job.binaries, strict=True)]
        # In short ticks: signal handlers run in this thread, and not while it waits for a lock.
        while not all(run.done() for run in runs):
            clock.sleep(_TICK_S)
        return [run.result() for run in runs]


def _binary(image: str, model: ModelPath, what: _What) -> ServingBinary:
    check_image_name(image)
    look = partial(_local_image, image, what.options)
    return select_server(what.server, image, model, model_name=what.model_name, routes=what.options.routes, look=look)


def _local_image(name: str, options: RunOptions) -> Image | None:
    """The image's configuration; None when it is not here yet, or the engine does not say: the run will tell why."""
    with suppress(EngineError):
        return engine_for(LocalDockerConfig(), options.engine).image(name)
    return None


def _run_one(job: Job, binary: ServingBinary, engine: EngineQuestion) -> RunReport:
    report = run_one(job, binary, engine)
    if job.find_memory and report.failure is None:
        from ivdocker.validation.memory_search import find_memory

        find_memory(job, binary, engine, report)
    return report
