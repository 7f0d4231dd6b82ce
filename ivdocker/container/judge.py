"""Finds the error for what has happened to a container: at its start, as inspected, as watched. Calls nothing."""

from __future__ import annotations

from collections.abc import Sequence

from ivdocker.container.watch import ContainerWatch
from ivdocker.diagnosis import explain
from ivdocker.engine.client import EngineError
from ivdocker.engine.parse import ContainerState
from ivdocker.errors import EnvironmentFailed, GracefulShutdown, InfraValidationError, JobAborted, error_for
from ivdocker.process.run import Cancelled
from ivdocker.servers.base import LogPattern

_FATAL_LINE_GRACE_S = 0.5
"""Seconds to wait for the server's own end after a fatal log line, because its exit code is evidence."""


def start_error(error: BaseException, image: str) -> InfraValidationError | None:
    """The error for a start() that failed with this one. None: that error itself."""
    if isinstance(error, EngineError):
        return EnvironmentFailed(failure=explain.engine_failure(error, image))
    if isinstance(error, Cancelled):
        return GracefulShutdown("the model server was stopped before it ran")
    return error if isinstance(error, InfraValidationError) else None


def interference(
    state: ContainerState | None, name: str, earlier: ContainerState | None = None
) -> InfraValidationError | None:
    """The error for what somebody else has done to the container since it was ``earlier``. None: nothing."""
    if state is None or state.is_being_removed:
        return JobAborted(failure=explain.gone_container(name))
    if state.was_started_after(earlier):
        return error_for(explain.restarted_container(name, state.restarts))
    return EnvironmentFailed(failure=explain.paused_container(name)) if state.status == "paused" else None


def watched(
    watch: ContainerWatch, name: str, image: str, patterns: Sequence[LogPattern]
) -> InfraValidationError | None:
    """The error for what the watch has seen. None: the server may still become ready, and answer."""
    if watch.end is not None and watch.end.was_signalled:
        return EnvironmentFailed(failure=explain.stopped_container(name, watch.end))
    if watch.restarted is not None:
        return error_for(explain.restarted_container(name, watch.restarted.restarts))
    if watch.end is not None:
        return _ended(watch, watch.end, patterns)
    if watch.is_gone:
        return JobAborted(failure=explain.gone_container(name))
    if watch.is_paused:
        return EnvironmentFailed(failure=explain.paused_container(name))
    if watch.error is not None:
        return EnvironmentFailed(failure=explain.engine_failure(watch.error, image))
    if watch.unreached and watch.unreached.loopback_port is not None:
        return error_for(explain.loopback_listener(watch.unreached.loopback_port))
    if watch.unreached and watch.unreached.unreachable is not None:
        return EnvironmentFailed(failure=explain.unreachable(*watch.unreached.unreachable))
    is_news = watch.ready_at is None and watch.fatal_lines != watch.harmless_lines
    return _fatal(watch, patterns) if is_news and watch.fatal_line_age > _FATAL_LINE_GRACE_S else None


def _ended(watch: ContainerWatch, end: ContainerState, patterns: Sequence[LogPattern]) -> InfraValidationError:
    from ivdocker.diagnosis import server_log

    log = watch.log if watch.last_log is None else watch.last_log
    return error_for(server_log.ended_container(end, log, patterns, watch.ready_at is not None))


def _fatal(watch: ContainerWatch, patterns: Sequence[LogPattern]) -> InfraValidationError | None:
    from ivdocker.diagnosis import server_log

    lines, log = watch.fatal_lines, watch.log
    for line in lines:
        failure = server_log.fatal_line(line, log, patterns)
        if failure:
            return error_for(failure)
    watch.harmless_lines = lines
    return None
