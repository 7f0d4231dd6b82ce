"""Makes up valid requests from what is known about a model's inputs.

Most models accept the values that are used: numbers in (0, 1] that every float type holds exactly, the integers 0 and 1
(an input can be an index, a mask or a length), and short texts that are not empty, some with spaces and some with
letters beyond ASCII.
"""

from __future__ import annotations

import math
import random
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ivdocker.errors import Failure, NoRequestPossible, UsageError
from ivdocker.model_path import ModelPath
from ivdocker.requests.model import Request
from ivdocker.servers.base import ServingBinary
from ivdocker.servers.client import BaseModelServerClient
from ivdocker.servers.records import Tensor

DEFAULT_COUNT = 3
"""How many requests are made up when the user does not say: one for each of BATCH_SIZES."""

BATCH_SIZES = (1, 2, 8)
"""The sizes that an unknown leading dimension gets, in this order and then from the start again."""

_MAX_VALUES = 2_000_000
"""The most values in one request, about 20 MB of JSON."""

_NO_REQUEST = "no request could be made up: "

_TEXTS = ("text", "two words", "naïve café", "東京 タワー", "Ελληνικά")


def synthesize(
    client: BaseModelServerClient, binary: ServingBinary, model: ModelPath, count: int, seed: int = 0
) -> Iterator[Request]:
    """Yield ``count`` requests for the client's own model. The same inputs and seed give the same requests on every
    Python version.

    The first ones are the example bodies in the model's folder. The others are made for the inputs that the server
    reports, or else the inputs in the model's folder. Raises NoRequestPossible when no inputs are known, or when the
    server has no JSON for their type, and UsageError when the package that reads the folder is not installed.
    """
    examples = binary.example_bodies(model)[:count]
    for number, body in enumerate(examples, 1):
        yield Request(body, f"example {number} of the model's folder", origin="example")
    if len(examples) < count:
        inputs = client.inputs() or binary.inputs(model)
        yield from _make_requests(client, None, inputs, count - len(examples), seed)


def synthesize_for_each(
    client: BaseModelServerClient, synthesized: Iterable[Request], count: int, seed: int, unasked: dict[str, str]
) -> Iterator[Request]:
    """Yield the requests that were ``synthesized`` for the client's own model, and ``count`` for every other model.

    ``unasked`` gets each model for which no request can be made up, with the reason. Raises NoRequestPossible when that
    is so for every model.
    """
    first: NoRequestPossible | None = None
    made: dict[str, Iterable[Request]] = {client.model_name: synthesized}
    for name in client.models:
        made.setdefault(name, _make_requests(client, name, None, count, seed))
    for name, requests in made.items():
        try:
            yield from requests
        except NoRequestPossible as error:
            unasked[name] = error.failure.message.removeprefix(_NO_REQUEST)
            first = first or error
    if first and len(unasked) == len(made):
        raise first


def example(client: BaseModelServerClient, binary: ServingBinary, model: ModelPath) -> Request | None:
    """Return the first of these requests, None when none can be made."""
    try:
        return next(synthesize(client, binary, model, 1))
    except (UsageError, NoRequestPossible):
        return None


def _make_requests(
    client: BaseModelServerClient, name: str | None, known: list[Tensor] | None, count: int, seed: int
) -> Iterator[Request]:
    """Yield requests for the model ``name`` (None: the client's own). ``known``: its inputs; None asks the server."""
    inputs = client.inputs(name) if known is None else known
    if not inputs:
        raise _no_request(
            f"the inputs of model {name or client.model_name!r} are not known, because the server does not report them"
        )
    limit = client.max_batch_size(name)
    sizes = _batch_sizes(inputs, limit)
    is_batched = limit != 0 and all(tensor.shape[:1] == (-1,) for tensor in inputs)
    outputs = [tensor.name for tensor in client.outputs(name) if tensor.shape[:1] == (-1,)] if is_batched else []
    rng = random.Random(seed)
    model = f" for model {name!r}" if name else ""
    for number in range(count):
        size = sizes[number % len(sizes)]
        try:
            made = [tensor for tensor in inputs if tensor.is_required or tensor.kind in _KINDS]
            values = {tensor.name: _values_of(tensor, size, rng) for tensor in made}
            body = client.request_body(values, inputs, name)
        except UsageError as error:
            raise _no_request(str(error)) from None
        where = f"synthesized request {number + 1}{model} (seed {seed})"
        leading = dict.fromkeys(outputs, size)
        yield Request(body, where, origin="synthesized", leading=leading, model_name=name)


def _values_of(tensor: Tensor, size: int, rng: random.Random) -> Any:
    make_one = _KINDS.get(tensor.kind)
    if make_one is None:
        raise UsageError(f"no value is made up for the type {tensor.datatype}, which the input {tensor.name!r} has")
    return _make_values(_shape(tensor, size), make_one, rng)


def _batch_sizes(inputs: Sequence[Tensor], limit: int | None) -> list[int]:
    sizes = [min(size, limit) if limit else size for size in BATCH_SIZES]
    fitting = [size for size in sizes if _count_values(inputs, size) <= _MAX_VALUES]
    if not fitting:
        count = _count_values(inputs, 1)
        raise _no_request(f"the inputs have {count} values in a batch of one, more than the allowed {_MAX_VALUES}")
    return fitting


def _count_values(inputs: Sequence[Tensor], size: int) -> int:
    """Return how many values a batch has. A dimension of 0 counts as 1, because its list takes memory too."""
    return sum(math.prod(max(1, dimension) for dimension in _shape(tensor, size)) for tensor in inputs)


def _shape(tensor: Tensor, size: int) -> tuple[int, ...]:
    """Return the shape without unknown dimensions.

    An unknown leading dimension is the batch and becomes ``size``. The others become 1: it is not known whether they
    must be equal to each other, or a multiple of something, and 1 fits most models.
    """
    return tuple(
        dimension if dimension >= 0 else size if place == 0 else 1 for place, dimension in enumerate(tensor.shape)
    )


def _make_values(shape: tuple[int, ...], make_one: Callable[[random.Random], Any], rng: random.Random) -> Any:
    """Return nested lists of this shape, or a single value for an empty shape."""
    if not shape:
        return make_one(rng)
    return [_make_values(shape[1:], make_one, rng) for _ in range(shape[0])]


def _random_below(limit: int, rng: random.Random) -> int:
    # random() is the only method that gives the same numbers on every Python version.
    return int(rng.random() * limit)


_KINDS: dict[str, Callable[[random.Random], Any]] = {
    "float": lambda rng: (_random_below(64, rng) + 1) / 64,
    "int": lambda rng: _random_below(2, rng),
    "bool": lambda rng: _random_below(2, rng) == 1,
    "string": lambda rng: _TEXTS[_random_below(len(_TEXTS), rng)],
    "datetime": lambda rng: f"2026-01-{_random_below(28, rng) + 1:02}T12:00:00",
    "binary": lambda rng: b64encode(_TEXTS[_random_below(len(_TEXTS), rng)].encode()).decode(),
}


def _no_request(why: str) -> NoRequestPossible:
    failure = Failure("no-request", f"{_NO_REQUEST}{why}", "give requests with --requests FILE")
    return NoRequestPossible(failure=failure)
