"""The requests of a job on one image: which are sent, in which order, and which models got some."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ivdocker.servers.base import ServingBinary
from ivdocker.servers.client import BaseModelServerClient
from ivdocker.validation.plan import Job

if TYPE_CHECKING:
    from ivdocker.requests.model import Request


class RequestStream:
    """All requests of a job: those of the files, then the synthesized ones, for every model. It can be iterated again.

    Create it once the models are ready. A request without tolerances or paths to ignore gets those of the job.
    """

    def __init__(self, job: Job, binary: ServingBinary, client: BaseModelServerClient) -> None:
        self._job, self._binary, self._client = job, binary, client
        self._asked: set[str] = set()
        self._reasons: dict[str, str] = {}

    @property
    def unasked(self) -> dict[str, str]:
        """The models of the server that got no request, each with the reason; an empty text if there was just none."""
        return {name: self._reasons.get(name, "") for name in self._client.models if name not in self._asked}

    def __iter__(self) -> Iterator[Request]:
        for request in self._requests():
            self._asked.add(request.model_name or self._client.model_name)
            yield self._with_defaults(request)

    def _requests(self) -> Iterator[Request]:
        job = self._job
        yield from job.requests
        if job.synthesize:
            from ivdocker.requests.make.synthesize import synthesize, synthesize_for_each

            made = synthesize(self._client, self._binary, job.model, job.synthesize, job.seed)
            yield from synthesize_for_each(self._client, made, job.synthesize, job.seed, self._reasons)

    def _with_defaults(self, request: Request) -> Request:
        checks = self._job.checks
        return request._replace(
            rtol=checks.rtol if request.rtol is None else request.rtol,
            atol=checks.atol if request.atol is None else request.atol,
            ignore=request.ignore or tuple(checks.ignore),
        )
