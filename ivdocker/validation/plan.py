"""Turns the user's arguments into a job: which servers to run on which model, and how. Runs no container."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ivdocker.container.options import GRACE_S, QUICK_GRACE_S, RunOptions
from ivdocker.container.plan import check_image_name
from ivdocker.engine.client import Engine, EngineError
from ivdocker.engine.connect import connect
from ivdocker.engine.parse import Image
from ivdocker.errors import UsageError
from ivdocker.http import BODY_LIMIT
from ivdocker.model_path import ModelPath, locate
from ivdocker.report.observer import Observer
from ivdocker.servers.base import ServingBinary
from ivdocker.servers.client import REQUEST_TIMEOUT_S, BaseModelServerClient
from ivdocker.servers.select import select_server
from ivdocker.serving_spec import ServingSpec
from ivdocker.validation.budgets import Budgets

if TYPE_CHECKING:
    from ivdocker.requests.model import Request
    from ivdocker.requests.send import RequestResult

LOAD_TIMEOUT_S = 300.0
"""Default limit for loading, in seconds: the same as TFX's."""


class Checks(NamedTuple):
    """How requests are sent, and the checks of the responses besides what each request expects.

    ``deterministic``: each request is sent twice, and both responses must be equal. ``against``: this image runs first,
    and the other images must give the same responses. ``repeat``: how often all requests are sent (default 1).
    ``concurrency``: how many requests are sent at the same time (default 1). ``request_timeout_s``: how long a response
    may take, in seconds (default 60). ``max_response_bytes``: how large it may be (default 16 MiB). ``rtol``, ``atol``,
    ``ignore``: the tolerances, and the JSON paths that are not compared, of each request that has none of its own.
    ``ignore_columns``: columns of CSV files that are not sent, by their names or numbers (from 1).
    """

    deterministic: bool = False
    against: str | None = None
    repeat: int = 1
    concurrency: int = 1
    request_timeout_s: float = REQUEST_TIMEOUT_S
    max_response_bytes: int = BODY_LIMIT
    rtol: float | None = None
    atol: float | None = None
    ignore: list[str] | tuple[str, ...] = ()
    ignore_columns: list[str] | tuple[str, ...] = ()


class Subject(NamedTuple):
    """What is validated: a model on server images. The images are named, or come from a TFX ServingSpec.

    ``server``: the kind of server, as for ``--server``. ``model_name``: the name to serve the model by (default: the
    folder's name).
    """

    model: str | os.PathLike[str]
    images: Sequence[str] = ()
    spec: Any = None
    server: str = "auto"
    model_name: str | None = None


class ResultSink(Protocol):
    """Collects the results of the requests of one attempt."""

    def restart(self) -> None: ...

    def add(self, result: RequestResult) -> None: ...


class Notes(Protocol):
    """Collects requests for a warm-up file."""

    def begin(self, client: BaseModelServerClient) -> None: ...

    def add(self, result: RequestResult) -> None: ...


class Job(NamedTuple):
    """Everything needed for the runs. Nothing is looked up again later."""

    model: ModelPath
    binaries: Sequence[ServingBinary]
    engine: Engine
    options: RunOptions
    reference: ServingBinary | None = None
    """The image of ``checks.against``: the other images must give its responses."""
    requests: Iterable[Request] = ()
    synthesize: int = 0
    """How many requests to synthesize for the model's inputs."""
    seed: int = 0
    checks: Checks = Checks()
    budgets: Budgets = Budgets()
    warmup: Notes | None = None
    """Collects the requests of the first image."""
    sinks: Sequence[ResultSink] = ()
    """They collect the results of the last attempt on the first image."""
    timeout_s: float = LOAD_TIMEOUT_S
    tries: int = 1
    observer: Observer = Observer()

    @property
    def has_requests(self) -> bool:
        """Whether there is anything to send."""
        return bool(self.requests) or self.synthesize > 0


def plan(subject: Subject, options: RunOptions, checks: Checks = Checks()) -> Job:  # noqa: B008  (it is immutable)
    """Make the job. Raises UsageError if the subject cannot be run."""
    if not (subject.images or subject.spec):
        raise UsageError("name the images to validate on: images (--image), or a ServingSpec (--spec)")
    if subject.images and subject.spec:
        raise UsageError(
            "name the images to validate on either by images (--image) or by a ServingSpec (--spec), not both"
        )
    _check(checks)
    model = locate(subject.model)
    options = options._replace(grace_s=_grace_s(options))
    if subject.spec:
        spec = ServingSpec.of(subject.spec)
        engine = spec.local_docker.connect(options.engine)
        named = spec._replace(model_name=subject.model_name) if subject.model_name else spec
        binaries: list[ServingBinary] = named.serving_binaries()
        for binary in binaries:
            check_image_name(binary.image)
    else:
        engine = connect(options.engine)
        binaries = [_binary(image, model, subject, engine, options) for image in subject.images]
    job = Job(model, binaries, engine, options, checks=checks)
    if checks.against:
        same_name = subject._replace(model_name=subject.model_name or binaries[0].model_name)
        job = job._replace(reference=_binary(checks.against, model, same_name, engine, options))
    return job


def _check(checks: Checks) -> None:
    """Raises UsageError for a value that is not possible."""
    if not 0 < checks.request_timeout_s < math.inf:
        raise UsageError(f"request_timeout_s must be more than 0 seconds, not {checks.request_timeout_s:g}")
    if checks.max_response_bytes < 1:
        raise UsageError(f"max_response_bytes must be at least 1, not {checks.max_response_bytes}")
    for name, value in (("rtol", checks.rtol), ("atol", checks.atol)):
        if value is not None and not 0 <= value < math.inf:
            raise UsageError(f"{name} must be a number of at least 0, not {value:g}")
    if checks.ignore:
        from ivdocker.requests.judge.compare import parse_path

        for path in checks.ignore:
            try:
                parse_path(path)
            except ValueError as error:
                raise UsageError(f"ignore: {error}") from None


def _grace_s(options: RunOptions) -> float:
    """The grace period in seconds: 10 for a graceful stop, else 0.5, unless the user sets it."""
    if options.grace_s is not None:
        return options.grace_s
    return GRACE_S if options.graceful_stop else QUICK_GRACE_S


def _binary(image: str, model: ModelPath, subject: Subject, engine: Engine, options: RunOptions) -> ServingBinary:
    check_image_name(image)

    def look() -> Image | None:
        """The local image's configuration. None if there is no image or the engine fails: the run will show why."""
        with suppress(EngineError):
            return engine.image(image)
        return None

    name, routes = subject.model_name, options.routes
    return select_server(subject.server, image, model, model_name=name, routes=routes, look=look)
