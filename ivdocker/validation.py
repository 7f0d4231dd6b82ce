"""L5. The main job: run a model on an image, wait until it is ready, ask it, and say what came of it."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ivdocker import clock
from ivdocker.diagnosis.explain import log_tail
from ivdocker.engine.client import Engine, EngineError
from ivdocker.engine.parse import EngineVersion
from ivdocker.errors import Failure, GracefulShutdown, InfraValidationError, UsageError
from ivdocker.lifecycle.shutdown import guard
from ivdocker.model_path import ModelPath, locate
from ivdocker.report.verdict import Report, RequestFigures, RunReport
from ivdocker.runners.local_docker import LocalDockerRunner, engine_for
from ivdocker.runners.options import RunOptions, check_image_name
from ivdocker.serving import registry
from ivdocker.serving.base import ServingBinary
from ivdocker.spec import ServingSpec

if TYPE_CHECKING:
    from ivdocker.query.requests import Request
    from ivdocker.query.send import Outcome, Tally

LOAD_TIMEOUT_S = 300.0
"""Seconds that loading may take, TFX's default."""

MAY_CHANGE = frozenset(
    {
        "engine-unreachable",
        "engine-timeout",
        "engine-error",
        "registry-denied",
        "pull-stalled",
        "port-unavailable",
        "container-exited",
        "load-timeout",
        "request-timeout",
    }
)
"""Failures that another try may not meet; a model that cannot be loaded will not load the second time either."""

_VERSION_TIMEOUT_S = 10.0
_TICK_S = 0.02


class Observer(Protocol):
    """Told what happens while it happens."""

    def stage(self, image: str, stage: str, seconds: float, text: str) -> None: ...

    def outcome(self, image: str, outcome: Outcome) -> None: ...

    def pull(self, image: str, output: bytes, progress: str) -> None: ...

    def failed_attempt(self, image: str, attempt: int, failure: Failure) -> None: ...


class Silent:
    """An observer that says nothing."""

    def stage(self, image: str, stage: str, seconds: float, text: str) -> None: ...

    def outcome(self, image: str, outcome: Outcome) -> None: ...

    def pull(self, image: str, output: bytes, progress: str) -> None: ...

    def failed_attempt(self, image: str, attempt: int, failure: Failure) -> None: ...


class Job(NamedTuple):
    """What to validate, wholly worked out: nothing in it is looked up again."""

    model: ModelPath
    binaries: Sequence[ServingBinary]
    spec: ServingSpec = ServingSpec()
    options: RunOptions = RunOptions()
    requests: Sequence[Request] = ()
    timeout_s: float = LOAD_TIMEOUT_S
    jobs: int = 1
    tries: int = 1
    names_engine: bool = True
    """Whether the report is to say which engine it was, which takes a docker call."""
    observer: Observer = Silent()


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
        binaries = [_binary(image, located, server, model_name) for image in images]
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

    ``model``: a folder or a URI. ``requests``: a JSON Lines file of requests to send once it is loaded. ``timeout_s``:
    seconds that loading may take. ``jobs``: images validated at the same time. ``tries``: how often what may change
    (the environment, a server that ended without a known cause) is tried. ``what``: ``server``, ``model_name``,
    ``spec`` and ``options`` as in :func:`plan`. Raises UsageError when that cannot be asked, GracefulShutdown when a
    signal came; all else is in the report.
    """
    job = plan(model, images=images, **what)
    loaded = load_requests(requests)
    return run(job._replace(requests=loaded, timeout_s=timeout_s, jobs=jobs, tries=tries))


def load_requests(path: str | os.PathLike[str] | None) -> Sequence[Request]:
    """The requests of a file, none without one. Raises UsageError."""
    if path is None:
        return ()
    from ivdocker.query import requests

    return requests.load(path)


def run(job: Job) -> Report:
    """Do the job. Raises UsageError, GracefulShutdown."""
    if not job.timeout_s > 0:
        raise UsageError(f"the timeout must be more than 0 seconds, not {job.timeout_s:g}")
    if job.jobs < 1 or job.tries < 1:
        raise UsageError(f"jobs and tries must be at least 1, not {min(job.jobs, job.tries)}")
    watch = clock.Stopwatch()
    engine = _EngineQuestion(engine_for(job.spec.local_docker, job.options.engine))
    with guard.held():
        runs = _run_all(job, engine)
        return Report(job.model.location, watch.seconds, runs, engine.answer())


def _run_all(job: Job, engine: _EngineQuestion) -> list[RunReport]:
    if job.jobs == 1 or len(job.binaries) == 1:
        return [_run_one(job, binary, engine) for binary in job.binaries]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(job.jobs, thread_name_prefix="ivdocker") as pool:
        runs = [pool.submit(_run_one, job, binary, engine) for binary in job.binaries]
        # In short ticks: signal handlers run in this thread, and not while it waits for a lock.
        while not all(run.done() for run in runs):
            clock.sleep(_TICK_S)
        return [run.result() for run in runs]


def _run_one(job: Job, binary: ServingBinary, engine: _EngineQuestion) -> RunReport:
    history: list[Failure] = []
    while True:
        report = _run_once(job, binary, engine, len(history) + 1)
        report.attempts, report.history = len(history) + 1, tuple(history)
        failure = report.failure
        if failure is None or failure.code not in MAY_CHANGE or report.attempts == job.tries:
            return report
        history.append(failure)
        job.observer.failed_attempt(binary.image, report.attempts, failure)


def _run_once(job: Job, binary: ServingBinary, engine: _EngineQuestion, attempt: int) -> RunReport:
    report = RunReport(binary.image, binary.kind)
    options = job.options._replace(evidence=_evidence_folder(job, binary, attempt))
    runner = LocalDockerRunner(
        job.model.location,
        binary,
        job.spec,
        options,
        lambda output, so_far: job.observer.pull(binary.image, output, so_far),
    )
    stages = _Stages(report, job.observer)
    try:
        _attempt(job, binary, runner, stages)
    except (GracefulShutdown, UsageError):
        raise
    except InfraValidationError as error:
        report.failure = _with_evidence(error, stages.current, runner)
    finally:
        if job.names_engine:
            engine.ask()
        with stages.timed("stop") as stage:
            report.kept = runner.Leave() if report.failure and options.keep else None
            runner.Stop()
            if report.kept:
                stage.text = f"container {report.kept} left as it is"
            elif runner.was_made:
                stage.text = "container removed"
    return report


def _evidence_folder(job: Job, binary: ServingBinary, attempt: int) -> Path | None:
    if job.options.evidence is None:
        return None
    image = re.sub(r"[^A-Za-z0-9_.-]+", "-", binary.image)
    return job.options.evidence / f"{image}-{attempt}"


def _attempt(job: Job, binary: ServingBinary, runner: LocalDockerRunner, stages: _Stages) -> None:
    report = stages.report
    with stages.timed("start") as stage:
        runner.Start()
        stage.text = f"docker run {binary.image}"
    if runner.pull_seconds is not None:
        stages.split("start", "pull", runner.pull_seconds)
    deadline = clock.utc() + job.timeout_s
    with stages.timed("running") as stage:
        runner.WaitUntilRunning(deadline)
        endpoint = runner.GetEndpoint()
        report.image_id, report.endpoints = runner.image_id, endpoint.addresses
        stage.text = ", ".join(f"{protocol} {address}" for protocol, address in endpoint.addresses.items())
    client = binary.MakeClient(endpoint)
    with stages.timed("load") as stage:
        client.WaitUntilModelLoaded(deadline)
        stage.text = f"model {binary.model_name} is ready"
    if not job.requests:
        return
    from ivdocker.query.send import send_all

    with stages.timed("query") as stage:
        tally = send_all(client, job.requests, lambda outcome: _tell(job, binary, runner, outcome))
        report.requests = _figures(tally)
        good = tally.sent - tally.failed - tally.mismatched
        stage.text = f"{good} of {tally.sent} requests answered as they should be"
    if tally.first_failure is not None:
        raise InfraValidationError(failure=tally.first_failure)


def _tell(job: Job, binary: ServingBinary, runner: LocalDockerRunner, outcome: Outcome) -> None:
    job.observer.outcome(binary.image, outcome)
    if runner.evidence:
        runner.evidence.outcome(outcome.as_dict())


class _Stage:
    text = ""


class _Stages:
    """Times the stages of one run and tells the observer of each that was completed."""

    def __init__(self, report: RunReport, observer: Observer) -> None:
        self.report = report
        self.current = "start"
        self._observer = observer

    @contextmanager
    def timed(self, name: str) -> Iterator[_Stage]:
        if name != "stop":
            self.current = name
        stage, watch = _Stage(), clock.Stopwatch()
        try:
            yield stage
        finally:
            self.report.stages[name] = watch.seconds
        if stage.text:
            self._observer.stage(self.report.image, name, watch.seconds, stage.text)

    def split(self, name: str, part: str, seconds: float) -> None:
        """A part of a stage becomes a stage of its own."""
        self.report.stages = {part: seconds, **self.report.stages, name: self.report.stages[name] - seconds}


def _with_evidence(error: InfraValidationError, stage: str, runner: LocalDockerRunner) -> Failure:
    failure = error.failure or Failure("engine-error", str(error))
    if not failure.log_tail and not failure.is_environment:
        failure = failure._replace(log_tail=log_tail(runner.GetLogs() or ""))
    return failure.at(stage, runner.command)


def _binary(image: str, model: ModelPath, server: str, model_name: str | None) -> ServingBinary:
    check_image_name(image)
    chosen = registry.choose(server, image, model)
    return chosen.binary(image, model_name or chosen.model_name(model))


def _figures(tally: Tally) -> RequestFigures:
    p50, p95, p99 = (tally.percentile(percent) for percent in (50, 95, 99))
    return RequestFigures(tally.sent, tally.failed, tally.mismatched, p50, p95, p99)


class _EngineQuestion:
    """Which engine this is, asked in a thread while the first container stops: then nothing waits for it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._version: EngineVersion | None = None
        self._thread: threading.Thread | None = None

    def ask(self) -> None:
        """The first call asks, further ones do nothing."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._ask, name="ivdocker-version", daemon=True)
            self._thread.start()

    def answer(self) -> EngineVersion | None:
        """None when no engine says; why is the run's failure."""
        if self._thread:
            self._thread.join()
        return self._version

    def _ask(self) -> None:
        # Two forks at once take twice as long each, and docker stop is waited for.
        clock.sleep(_TICK_S)
        with suppress(EngineError):
            self._version = self._engine.version(timeout_s=min(_VERSION_TIMEOUT_S, self._engine.timeout_s))
