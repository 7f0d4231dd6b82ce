"""One model on one image: run it, wait until it is ready, ask it, and say what came of it."""

import os
import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ivdocker import clock
from ivdocker.container.options import RunOptions
from ivdocker.container.runner import LocalDockerRunner
from ivdocker.diagnosis import log_errors, stop
from ivdocker.diagnosis.explain import log_tail
from ivdocker.engine.client import Engine, EngineError
from ivdocker.engine.parse import EngineVersion
from ivdocker.errors import EnvironmentFailed, Failure, GracefulShutdown, InfraValidationError, UsageError
from ivdocker.model_path import ModelPath
from ivdocker.report.observer import Observer
from ivdocker.report.verdict import RequestFigures, RunReport
from ivdocker.servers.base import ServingBinary
from ivdocker.servers.client import BaseModelServerClient
from ivdocker.tfx import ServingSpec
from ivdocker.validation.budgets import Budgets, exceeded

if TYPE_CHECKING:
    from ivdocker.requests.model import Request
    from ivdocker.requests.send import RequestResult, RequestStats

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


class Keeper(Protocol):
    """Keeps the outcomes of one attempt."""

    def restart(self) -> None: ...

    def add(self, outcome: "RequestResult") -> None: ...


class WarmupNotes(Protocol):
    """Takes down requests for a warm-up file, and writes it."""

    def begin(self, client: BaseModelServerClient) -> None: ...

    def add(self, outcome: "RequestResult") -> None: ...

    def write(self) -> str: ...


class Job(NamedTuple):
    """What to validate, wholly worked out: nothing in it is looked up again."""

    model: ModelPath
    binaries: Sequence[ServingBinary]
    spec: ServingSpec = ServingSpec()
    options: RunOptions = RunOptions()
    requests: Iterable["Request"] = ()
    synthesize: int = 0
    """How many requests are made up for the model's inputs."""
    seed: int = 0
    deterministic: bool = False
    """Whether each request is sent twice and must be answered the same."""
    repeat: int = 1
    """How often all requests are sent."""
    concurrency: int = 1
    """How many requests are under way at a time."""
    budgets: Budgets = Budgets()
    find_memory: bool = False
    """Whether the smallest memory limit is looked for, once the run is blessed."""
    record: str | os.PathLike[str] | None = None
    """The requests file that a good run's answers are written to."""
    against: ServingBinary | None = None
    """The image that is run first: its answers are what is expected of the others."""
    warmup: WarmupNotes | None = None
    """What takes down the first of the images' requests for TensorFlow Serving's warm-up; its owner writes it."""
    keepers: Sequence[Keeper] = ()
    """What keeps the outcomes of the last attempt."""
    timeout_s: float = LOAD_TIMEOUT_S
    jobs: int = 1
    tries: int = 1
    names_engine: bool = True
    """Whether the report is to say which engine it was, which takes a docker call."""
    observer: Observer = Observer()


def run_one(job: Job, binary: ServingBinary, engine: "EngineQuestion") -> RunReport:
    """One image of the job, tried again where that may help. Raises UsageError, GracefulShutdown."""
    history: list[Failure] = []
    job.observer.server(binary)
    while True:
        report = _run_once(job, binary, engine, len(history) + 1)
        report.attempts, report.history = len(history) + 1, tuple(history)
        failure = report.failure
        if failure is None or failure.code not in MAY_CHANGE or report.attempts == job.tries:
            return report
        history.append(failure)
        job.observer.failed_attempt(binary.image, report.attempts, failure)


def _run_once(job: Job, binary: ServingBinary, engine: "EngineQuestion", attempt: int) -> RunReport:
    report = RunReport(binary.image, binary.kind)
    report.server_reason = binary.server_reason
    report.engine_program = job.options.engine
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
        _stop(report, runner, options, stages)
    if report.failure is None and options.graceful_stop:
        failure = stop.failure_of(runner.stopped_with, options.grace_s)
        report.failure = failure and failure.at("stop", runner.command)
    return report


def _stop(report: RunReport, runner: LocalDockerRunner, options: RunOptions, stages: "_Stages") -> None:
    with stages.timed("stop") as stage:
        report.kept = runner.Leave() if report.failure and options.keep else None
        runner.Stop()
        report.kept_network = report.kept is not None and options.offline
        if report.log_errors is None and runner.was_made:
            # It was ready, and had answered, before its log was read.
            report.log_errors = log_errors.count(runner.GetLogs() or "")
        if report.kept:
            stage.text = f"container {report.kept} left as it is"
        elif runner.was_made:
            ended = "" if runner.stopped_with is None else f"exit code {runner.stopped_with} after SIGTERM, "
            stage.text = ended + ("container removed" if runner.was_removed else "container NOT removed")


def _evidence_folder(job: Job, binary: ServingBinary, attempt: int) -> str | None:
    if job.options.evidence is None:
        return None
    image = re.sub(r"[^A-Za-z0-9_.-]+", "-", binary.image)
    return os.path.join(job.options.evidence, f"{image}-{attempt}")


def _attempt(job: Job, binary: ServingBinary, runner: LocalDockerRunner, stages: "_Stages") -> None:
    report = stages.report
    with stages.timed("start") as stage:
        runner.Start()
        stage.text = f"{runner.engine_name} run {binary.image}"
    if runner.pull_seconds is not None:
        stages.split("start", "pull", runner.pull_seconds)
    deadline = clock.utc() + job.timeout_s
    with stages.timed("running") as stage:
        runner.WaitUntilRunning(deadline)
        endpoint = runner.GetEndpoint()
        report.image_id, report.endpoints = runner.image_id, endpoint.addresses
        stage.text = ", ".join(f"{protocol} {address}" for protocol, address in endpoint.addresses.items())
    client = binary.MakeClient(endpoint)
    with _measured(job, report, runner):
        with stages.timed("load") as stage:
            client.WaitUntilModelLoaded(deadline)
            stage.text = ready_text(client.models)
        if asks(job):
            _query(job, binary, runner, client, stages)
    failure = exceeded(job.budgets, report)
    if failure:
        raise InfraValidationError(failure=failure)


@contextmanager
def _measured(job: Job, report: RunReport, runner: LocalDockerRunner) -> Iterator[None]:
    usage, log = runner.measure(), runner.GetLogs
    try:
        yield
        if job.budgets.log_errors is not None:
            log = runner.read_log
    finally:
        report.resources = usage.close(needed=job.budgets.memory_bytes is not None)
        text = log()
        report.log_errors = log_errors.count(text) if text else None
        job.observer.measured(report)


def _query(
    job: Job, binary: ServingBinary, runner: LocalDockerRunner, client: BaseModelServerClient, stages: "_Stages"
) -> None:
    from ivdocker.requests.send import SendOptions, send_all

    for keeper in job.keepers:
        keeper.restart()
    if job.warmup:
        job.warmup.begin(client)
    with stages.timed("query") as stage:
        pace = SendOptions(job.deterministic, job.repeat, job.concurrency)
        asked = _RequestStream(job, binary, client)
        told = partial(_tell, job, binary, runner)
        tally = send_all(client, asked, told, pace, partial(binary.inputs, job.model))
        stages.report.requests = _figures(tally)
        good = tally.sent - tally.failed - tally.mismatched
        stage.text = f"{good} of {tally.sent} requests answered as they should be" if tally.sent else ""
    may_fail = job.budgets.error_rate is not None and tally.sent > 0
    if tally.first_failure is not None and not may_fail:
        raise InfraValidationError(failure=tally.first_failure)


def ready_text(models: Sequence[str]) -> str:
    """That they are ready, in words."""
    return f"model {models[0]} is ready" if len(models) == 1 else f"models {', '.join(models)} are ready"


def asks(job: Job) -> bool:
    """Whether there is anything to send."""
    return bool(job.requests) or job.synthesize > 0


class _RequestStream:
    """All requests of a job, as often as they are asked for: those of the files, then those that are made up."""

    def __init__(self, job: Job, binary: ServingBinary, client: BaseModelServerClient) -> None:
        self._job, self._binary, self._client = job, binary, client

    def __iter__(self) -> "Iterator[Request]":
        job = self._job
        yield from job.requests
        if job.synthesize:
            from ivdocker.requests.make.synthesize import synthesize

            yield from synthesize(self._client, self._binary, job.model, job.synthesize, job.seed)


def _tell(job: Job, binary: ServingBinary, runner: LocalDockerRunner, outcome: "RequestResult") -> None:
    job.observer.outcome(binary.image, outcome)
    if runner.evidence:
        runner.evidence.outcome(outcome.as_dict())
    for keeper in job.keepers:
        keeper.add(outcome)
    if job.warmup:
        job.warmup.add(outcome)


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
    log_may_tell = not failure.is_environment and failure.code != "budget-exceeded"
    if log_may_tell and not failure.log_tail:
        with suppress(EnvironmentFailed):
            failure = failure._replace(log_tail=log_tail(runner.GetLogs() or runner.read_log()))
    return failure.at(stage, runner.command)


def _figures(tally: "RequestStats") -> RequestFigures:
    p50, p95, p99 = (tally.percentile(percent) for percent in (50, 95, 99))
    first = tally.milliseconds[0] if tally.milliseconds else None
    rate = (tally.failed + tally.mismatched) / tally.sent if tally.sent else None
    return RequestFigures(tally.sent, tally.failed, tally.mismatched, p50, p95, p99, first, rate)


class EngineQuestion:
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
