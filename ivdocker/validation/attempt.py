"""One model on one image: run it, wait until it is ready, send requests, and report the result."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from ivdocker import clock
from ivdocker.container import workers
from ivdocker.container.container import Container
from ivdocker.container.usage import UsageWatch
from ivdocker.diagnosis import log_errors
from ivdocker.diagnosis import stop as stop_diagnosis
from ivdocker.engine.client import EngineError
from ivdocker.errors import (
    DeadlineExceeded,
    Failure,
    GracefulShutdown,
    InfraValidationError,
    UsageError,
    ValidationFailed,
)
from ivdocker.report.observer import Observer
from ivdocker.report.verdict import RequestFigures, RunReport
from ivdocker.servers.base import ServingBinary
from ivdocker.servers.client import BaseModelServerClient
from ivdocker.text import plural
from ivdocker.validation import model_folder
from ivdocker.validation.budgets import exceeded, load_exceeded
from ivdocker.validation.plan import Checks, Job

if TYPE_CHECKING:
    from ivdocker.requests.send import RequestResult, RequestStats

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
"""Failures that another try may avoid. The others repeat: a model that cannot be loaded stays so."""


_ERRORS_KEPT = 20


def run_one(job: Job, binary: ServingBinary) -> RunReport:
    """Run one image of the job, and try again if that may help. Raises UsageError, GracefulShutdown."""
    history: list[Failure] = []
    job.observer.server(binary)
    while True:
        report = _Attempt(job, binary, len(history) + 1).run()
        report.attempts, report.history = len(history) + 1, tuple(history)
        failure = report.failure
        if failure is None or failure.code not in MAY_CHANGE or report.attempts == job.tries:
            return report
        history.append(failure)
        job.observer.failed_attempt(binary.image, report.attempts, failure)


def ready_text(models: Sequence[str]) -> str:
    """A sentence that says that the models are ready."""
    return f"model {models[0]} is ready" if len(models) == 1 else f"models {', '.join(models)} are ready"


class _Attempt:
    """One container from its start to its end, and its report."""

    def __init__(self, job: Job, binary: ServingBinary, number: int) -> None:
        self.report = RunReport(binary.image, binary.kind)
        self.report.server_reason = binary.server_reason
        self.report.engine_program = job.options.engine
        self._job = job
        self._binary = binary
        self._options = job.options._replace(evidence=_evidence_folder(job.options.evidence, binary.image, number))
        on_pull = partial(job.observer.pull, binary.image)
        self._container = Container(job.engine, job.model.location, binary, self._options, on_pull)
        self._stages = _Stages(self.report, job.observer)
        self._sent_at = 0.0
        """When the request that is under way was sent, or later ones."""
        self._log_of_failed: str | None = None
        """What the server wrote of the first request that failed."""

    def run(self) -> RunReport:
        """Run the attempt and return its report. Raises UsageError, GracefulShutdown."""
        try:
            self._try()
        except (GracefulShutdown, UsageError):
            raise
        except InfraValidationError as error:
            self.report.failure = self._with_evidence(error)
        finally:
            self._stop()
        death = self._container.death() if self.report.failure is None else None
        if death:
            self.report.failure = self._with_evidence(InfraValidationError(failure=death))
        elif self.report.failure is None and self._options.graceful_stop:
            exit_code, grace_s = self._container.exit_code_after_sigterm, self._options.grace_s or 0
            failure = stop_diagnosis.failure_of(exit_code, grace_s)
            self.report.failure = failure and failure.at("stop", self._container.command)
        return self.report

    def _try(self) -> None:
        job, container = self._job, self._container
        with self._stages.timed("start") as stage:
            container.start()
            stage.text = f"{job.engine.dialect.name} run {self._binary.image}"
        if container.launch.pull_seconds is not None:
            self._stages.split("start", "pull", container.launch.pull_seconds)
        deadline = clock.utc() + job.timeout_s
        with self._stages.timed("running") as stage:
            container.wait_until_running(clock.Deadline.from_utc(deadline))
            self.report.image_id = container.seen.image_id if container.seen else None
            self.report.endpoints = container.endpoint.addresses
            stage.text = ", ".join(f"{protocol} {address}" for protocol, address in self.report.endpoints.items())
        client = self._binary.MakeClient(container.endpoint)
        with self._measured():
            with self._stages.timed("load") as stage:
                self._wait_until_loaded(client, deadline)
                stage.text = ready_text(client.models)
            if job.has_requests:
                self._send_requests(client)
        # A server that has died since its last answer is not blessed.
        container.check()
        failure = exceeded(job.budgets, self.report)
        if failure:
            raise InfraValidationError(failure=failure)

    def _wait_until_loaded(self, client: BaseModelServerClient, deadline: float) -> None:
        """Wait no longer than the budget allows: what comes later changes nothing."""
        allowed = self._job.budgets.load_seconds
        left = None if allowed is None else max(0.0, allowed - self.report.stages["running"])
        if left is None or clock.utc() + left >= deadline:
            client.WaitUntilModelLoaded(deadline)
            return
        try:
            client.WaitUntilModelLoaded(clock.utc() + left)
        except DeadlineExceeded as error:
            if error.failure.is_environment:
                raise
            raise ValidationFailed(failure=load_exceeded(self._job.budgets, error.failure)) from None

    @contextmanager
    def _measured(self) -> Iterator[None]:
        """Measure the container, and count the errors in its log, until the end of the block."""
        budgets, usage, read_log = self._job.budgets, self._measure(), self._container.log_so_far
        try:
            yield
            if budgets.log_errors is not None:
                read_log = self._container.log
        finally:
            self.report.resources = usage.close(needed=budgets.memory_bytes is not None)
            self._count_errors(read_log())
            self._job.observer.measured(self.report)

    def _measure(self) -> UsageWatch:
        assert self._container.seen is not None  # since it runs
        return UsageWatch(self._job.engine, self._container.seen)

    def _count_errors(self, log: str) -> None:
        """Without a log nothing is known of its errors."""
        if log:
            found = log_errors.find(log, self._job.budgets.ignore_log_errors)
            self.report.log_errors, self.report.log_error_lines = len(found), tuple(found[:_ERRORS_KEPT])

    def _send_requests(self, client: BaseModelServerClient) -> None:
        from ivdocker.requests.send import SendOptions, send_all
        from ivdocker.validation.request_stream import RequestStream

        job = self._job
        for sink in job.sinks:
            sink.restart()
        if job.warmup:
            job.warmup.begin(client)
        self._sent_at = clock.utc()
        with self._stages.timed("query") as stage:
            options, stream = SendOptions(*_sending(job.checks)), RequestStream(job, self._binary, client)
            stats = send_all(client, stream, self._keep, options, partial(self._binary.inputs, job.model))
            self.report.requests, self.report.unasked = _figures(stats), stream.unasked
            stage.text = _asked_text(self.report)
        # A request that could not be made was not answered wrongly: no share of such may be missing.
        may_fail = job.budgets.error_rate is not None and stats.sent > 0
        failure = stats.other_failure if may_fail else stats.first_failure
        if failure is not None:
            raise InfraValidationError(failure=failure)

    def _keep(self, result: RequestResult) -> None:
        if result.failure and self._log_of_failed is None:
            self._log_of_failed = self._container.log_since(self._sent_at)
        self._sent_at = clock.utc()
        self._job.observer.outcome(self._binary.image, result)
        if self._container.evidence:
            self._container.evidence.outcome(result.as_dict())
        for sink in self._job.sinks:
            sink.add(result)
        if self._job.warmup:
            self._job.warmup.add(result)

    def _with_evidence(self, error: InfraValidationError) -> Failure:
        failure = error.failure or Failure("engine-error", str(error))
        if failure.code in ("model-load-failed", "load-timeout"):
            failure = workers.killed(self._job.engine, self._container.name) or failure
        if failure.code == "not-listening" and self._options.network == "host":
            # There the port is this machine's, and somebody else has taken it.
            failure = failure._replace(code="port-unavailable")
        seen = self._container.seen
        failure = model_folder.explained(failure, self._job.model, self._options, seen.user if seen else None)
        log_may_tell = not failure.is_environment and failure.code != "budget-exceeded"
        if log_may_tell and not failure.log_tail:
            from ivdocker.diagnosis.server_log import log_tail

            log = self._container.log() if self._log_of_failed is None else self._log_of_failed
            failure = failure._replace(log_tail=log_tail(log))
        return failure.at(self._stages.current, self._container.command)

    def _stop(self) -> None:
        report, container = self.report, self._container
        was_removed = container.was_removed
        with self._stages.timed("stop") as stage:
            report.kept = container.leave() if report.failure and self._options.keep else None
            container.stop(keep_log=False, prove_life=report.failure is None)
            report.kept_runs = report.kept is not None and self._runs(report.kept)
            report.kept_network = report.kept is not None and self._options.offline
            if report.log_errors is None:
                self._count_errors(container.log_so_far())
            if report.kept:
                stage.text = f"container {report.kept} left as it is"
            elif container.was_made and not was_removed:
                code = container.exit_code_after_sigterm
                ended = "" if code is None else f"exit code {code} after SIGTERM, "
                stage.text = ended + ("container removed" if container.was_removed else "container NOT removed")

    def _runs(self, name: str) -> bool:
        """Whether the container still runs."""
        with suppress(EngineError):
            state = self._job.engine.inspect(name)
            return state is not None and not state.has_ended
        return False


class _Stage:
    text = ""


class _Stages:
    """Times the stages of one run, and reports each completed stage to the observer."""

    def __init__(self, report: RunReport, observer: Observer) -> None:
        self.current = "start"
        self._report = report
        self._observer = observer

    @contextmanager
    def timed(self, name: str) -> Iterator[_Stage]:
        if name != "stop":
            self.current = name
        stage, watch = _Stage(), clock.Stopwatch()
        try:
            yield stage
        finally:
            self._report.stages[name] = watch.seconds
        if stage.text:
            self._observer.stage(self._report.image, name, watch.seconds, stage.text)

    def split(self, name: str, part: str, seconds: float) -> None:
        """Make a part of a stage a separate stage."""
        stages = self._report.stages
        self._report.stages = {part: seconds, **stages, name: stages[name] - seconds}


def _evidence_folder(evidence: str | os.PathLike[str] | None, image: str, attempt: int) -> str | None:
    if evidence is None:
        return None
    return os.path.join(evidence, f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', image)}-{attempt}")


def _figures(stats: RequestStats) -> RequestFigures:
    p50, p95, p99 = (stats.percentile(percent) for percent in (50, 95, 99))
    first = stats.milliseconds[0] if stats.milliseconds else None
    rate = (stats.failed + stats.mismatched) / stats.sent if stats.sent else None
    return RequestFigures(stats.sent, stats.failed, stats.mismatched, p50, p95, p99, first, rate, stats.compared)


def _sending(checks: Checks) -> tuple[bool, int, int, float, int]:
    sizes = (checks.request_timeout_s, checks.max_response_bytes)
    return (checks.deterministic, checks.repeat, checks.concurrency, *sizes)


def _asked_text(report: RunReport) -> str:
    """How many requests were answered and compared, and which models got none. Empty if there was no request."""
    asked = report.requests
    if not asked.sent:
        return ""
    wrong = f", {asked.mismatched} wrong" if asked.mismatched else ""
    text = f"{asked.answered} of {plural(asked.sent, 'request')} answered"
    text += f", {asked.compared} compared with an expected answer"
    whys = [f"; no request for model {name}{why and f': {why}'}" for name, why in report.unasked.items()]
    return text + wrong + "".join(whys)
