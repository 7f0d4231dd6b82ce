"""``serve``: runs a model server for the duration of a ``with`` block."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ivdocker import clock
from ivdocker.container.container import Container
from ivdocker.container.options import RunOptions
from ivdocker.errors import UsageError
from ivdocker.requests.make.synthesize import example
from ivdocker.servers.client import REQUEST_TIMEOUT_S, BaseModelServerClient
from ivdocker.servers.records import Endpoint
from ivdocker.validation.argument_types import check_types
from ivdocker.validation.plan import LOAD_TIMEOUT_S, Job, Subject, plan


class Server:
    """A running model server whose model is ready. :func:`serve` makes it."""

    def __init__(self, job: Job, container: Container, client: BaseModelServerClient) -> None:
        self._job = job
        self._container = container
        self._client = client
        self.model_name = job.binaries[0].model_name

    @property
    def models(self) -> tuple[str, ...]:
        """The names of all models that are ready."""
        return self._client.models

    @property
    def endpoint(self) -> Endpoint:
        """The address of the main port. ``.http``, ``.grpc`` and ``.metrics`` are the addresses by protocol."""
        return self._container.endpoint

    @property
    def logs(self) -> str:
        """The server's log so far. Makes a docker call while the server runs."""
        return self._container.log()

    def predict(self, request: Any, timeout_s: float = REQUEST_TIMEOUT_S) -> Any:
        """Send a request body and return the response's JSON. Raises ValidationFailed, DeadlineExceeded, JobAborted."""
        return self._client.predict(request, timeout_s)

    def check(self) -> None:
        """Raises JobAborted or a similar error if the server has ended, GracefulShutdown if a signal stopped it."""
        self._container.check()

    def curl(self) -> str:
        """A curl command that sends the model a request with synthesized values. The request is empty if the inputs are
        not known. Raises JobAborted or a similar error if the server has ended."""
        found = example(self._client, self._job.binaries[0], self._job.model)
        return self._client.curl(found.request_body if found else {})


@contextmanager
def serve(
    model: str | os.PathLike[str],
    *,
    image: str,
    server: str = "auto",
    model_name: str | None = None,
    options: RunOptions = RunOptions(),  # noqa: B008  (a record is immutable)
    timeout_s: float = LOAD_TIMEOUT_S,
    on_stage: Callable[[str, str], object] = lambda _stage, _text: None,
) -> Iterator[Server]:
    """Run ``image`` on the model until the end of the ``with`` block.

    ``model``, ``server``, ``model_name`` and ``options``: as for :func:`ivdocker.validate`. ``timeout_s``: limit for
    loading, in seconds (default 300). ``on_stage`` is called with a stage (``server``, ``start``, ``load``) and a text.
    Raises UsageError, EnvironmentFailed, JobAborted, ValidationFailed, DeadlineExceeded.
    """
    check_types(serve, locals())
    if not timeout_s > 0:
        raise UsageError(f"the timeout must be more than 0 seconds, not {timeout_s:g}")
    job = plan(Subject(model, [image], None, server, model_name), options)
    binary = job.binaries[0]
    container = Container(job.engine, job.model.location, binary, job.options)
    try:
        if not binary.server_is_evident:
            on_stage("server", f"{binary.kind}: {binary.server_reason}")
        on_stage("start", f"starting {image}")
        container.start()
        deadline = clock.utc() + timeout_s
        container.wait_until_running(clock.Deadline.from_utc(deadline))
        client = binary.MakeClient(container.endpoint)
        on_stage("load", "loading the model")
        client.WaitUntilModelLoaded(deadline)
        yield Server(job, container, client)
    finally:
        container.stop()
