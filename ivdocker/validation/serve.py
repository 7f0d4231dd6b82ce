"""Runs a model server for as long as a ``with`` block lasts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ivdocker import clock
from ivdocker.container.runner import LocalDockerRunner
from ivdocker.errors import UsageError
from ivdocker.servers.client import REQUEST_TIMEOUT_S, BaseModelServerClient, Endpoint
from ivdocker.validation.attempt import LOAD_TIMEOUT_S, Job
from ivdocker.validation.validate import plan


class Server:
    """A model server that runs and whose model is ready."""

    def __init__(self, job: Job, runner: LocalDockerRunner, client: BaseModelServerClient) -> None:
        self._job = job
        self._runner = runner
        self._client = client
        self.model_name = job.binaries[0].model_name

    @property
    def models(self) -> tuple[str, ...]:
        """The names of all models that are ready."""
        return self._client.models

    @property
    def endpoint(self) -> Endpoint:
        """The address of its main port; ``.http``, ``.grpc`` and ``.metrics`` are the others."""
        return self._runner.GetEndpoint()

    @property
    def logs(self) -> str:
        return self._runner.GetLogs() or ""

    def predict(self, request: Any, timeout_s: float = REQUEST_TIMEOUT_S) -> Any:
        """Send one request body, return the answer's JSON. Raises ValidationFailed, DeadlineExceeded, JobAborted."""
        return self._client.predict(request, timeout_s)

    def check(self) -> None:
        """Raises JobAborted and the like when the server has ended, GracefulShutdown when a signal stopped it."""
        self._runner.check()

    def curl(self) -> str:
        """A command line that asks the model: with values made up for its inputs, where they are not known with an
        empty request. Raises JobAborted and the like when the server has ended."""
        from ivdocker.requests.make.synthesize import example

        found = example(self._client, self._job.binaries[0], self._job.model)
        return self._client.curl(found.request_body if found else {})


@contextmanager
def serve(
    model: str | os.PathLike[str],
    *,
    image: str,
    timeout_s: float = LOAD_TIMEOUT_S,
    on_stage: Callable[[str, str], object] = lambda _stage, _text: None,
    **what: Any,
) -> Iterator[Server]:
    """Run ``image`` on the model until the block is left.

    ``timeout_s``: seconds that loading may take. ``what``: ``server``, ``model_name`` and ``options`` as in
    :func:`plan`. ``on_stage`` is called with ``server``, ``start`` and ``load``, and a text for
    people. Raises UsageError, EnvironmentFailed, JobAborted, ValidationFailed, DeadlineExceeded.
    """
    if not timeout_s > 0:
        raise UsageError(f"the timeout must be more than 0 seconds, not {timeout_s:g}")
    job = plan(model, images=[image], **what)
    runner = LocalDockerRunner(job.model.location, job.binaries[0], job.spec, job.options)
    try:
        if not job.binaries[0].server_is_evident:
            on_stage("server", f"{job.binaries[0].kind}: {job.binaries[0].server_reason}")
        on_stage("start", f"starting {image}")
        runner.Start()
        deadline = clock.utc() + timeout_s
        runner.WaitUntilRunning(deadline)
        client = job.binaries[0].MakeClient(runner.GetEndpoint())
        on_stage("load", "loading the model")
        client.WaitUntilModelLoaded(deadline)
        yield Server(job, runner, client)
    finally:
        runner.Stop()
