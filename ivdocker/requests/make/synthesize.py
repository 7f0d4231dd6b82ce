"""Makes valid requests from what is known of a model's inputs.

The values are such as most models take: numbers in (0, 1] that every float type holds exactly, the integers 0 and 1
(they may be indexes, masks or lengths), short texts with spaces and beyond ASCII, none of them empty.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ivdocker.errors import Failure, NoRequestPossible, UsageError
from ivdocker.model_path import ModelPath
from ivdocker.requests.model import Request
from ivdocker.servers.base import ServingBinary
from ivdocker.servers.client import BaseModelServerClient, Tensor

DEFAULT_COUNT = 3
"""Requests where it is not said how many: one of each batch size."""

BATCH_SIZES = (1, 2, 8)
"""What an unknown leading dimension becomes, request by request; then from the start again."""

_MOST_VALUES = 2_000_000
"""Of one request: some 20 MB of JSON."""

_TEXTS = ("text", "two words", "naïve café", "東京 タワー", "Ελληνικά")


def synthesize(
    client: BaseModelServerClient, binary: ServingBinary, model: ModelPath, count: int, seed: int = 0
) -> Iterator[Request]:
    """``count`` requests, the same ones for the same inputs and seed, on every Python version.

    First the bodies that lie ready in the model's folder, then ones made for the inputs that the server tells, or else
    the model's folder. Raises what carries ``no-request`` when neither tells any, or the server has no form for them.
    """
    examples = binary.example_bodies(model)[:count]
    for number, body in enumerate(examples, 1):
        yield Request(body, f"example {number} of the model's folder", origin="synthesized")
    if len(examples) < count:
        yield from _make_requests(client, client.inputs() or binary.inputs(model), count - len(examples), seed)


def example(client: BaseModelServerClient, binary: ServingBinary, model: ModelPath) -> Request | None:
    """The first of these requests; None when none can be made."""
    try:
        return next(synthesize(client, binary, model, 1))
    except (UsageError, NoRequestPossible):
        return None


def _make_requests(client: BaseModelServerClient, inputs: list[Tensor], count: int, seed: int) -> Iterator[Request]:
    if not inputs:
        raise _no_request(f"the inputs of model {client.model_name!r} are not known: its server tells none")
    limit = client.max_batch_size()
    sizes = _batch_sizes(inputs, limit)
    batched = limit != 0 and all(tensor.shape[:1] == (-1,) for tensor in inputs)
    outputs = [tensor.name for tensor in client.outputs() if tensor.shape[:1] == (-1,)] if batched else []
    source = random.Random(seed)
    for number in range(count):
        size = sizes[number % len(sizes)]
        values = {tensor.name: _make_values(_shape(tensor, size), _KINDS[tensor.kind], source) for tensor in inputs}
        try:
            body = client.request_body(values, inputs)
        except UsageError as error:
            raise _no_request(str(error)) from None
        where = f"synthesized request {number + 1} (seed {seed})"
        yield Request(body, where, origin="synthesized", leading=dict.fromkeys(outputs, size))


def _batch_sizes(inputs: Sequence[Tensor], limit: int | None) -> list[int]:
    sizes = [min(size, limit) if limit else size for size in BATCH_SIZES]
    fitting = [size for size in sizes if _count(inputs, size) <= _MOST_VALUES]
    if not fitting:
        raise _no_request(f"the inputs have {_count(inputs, 1)} values, more than the {_MOST_VALUES} that are made up")
    return fitting


def _count(inputs: Sequence[Tensor], size: int) -> int:
    """Of the values; a dimension of 0 counts as 1, for what it holds none of are lists all the same."""
    return sum(math.prod(max(1, dimension) for dimension in _shape(tensor, size)) for tensor in inputs)


def _shape(tensor: Tensor, size: int) -> tuple[int, ...]:
    """Only a leading unknown dimension is a batch. Of the others nobody says whether they must be equal to one another
    or a multiple of something; 1 is what fits most."""
    return tuple(
        dimension if dimension >= 0 else size if place == 0 else 1 for place, dimension in enumerate(tensor.shape)
    )


def _make_values(shape: tuple[int, ...], value: Callable[[random.Random], Any], source: random.Random) -> Any:
    if not shape:
        return value(source)
    return [_make_values(shape[1:], value, source) for _ in range(shape[0])]


def _random_below(limit: int, source: random.Random) -> int:
    # Of all its methods only random() gives the same numbers on every Python version.
    return int(source.random() * limit)


_KINDS: dict[str, Callable[[random.Random], Any]] = {
    "float": lambda source: (_random_below(64, source) + 1) / 64,
    "int": lambda source: _random_below(2, source),
    "bool": lambda source: _random_below(2, source) == 1,
    "string": lambda source: _TEXTS[_random_below(len(_TEXTS), source)],
}


def _no_request(why: str) -> NoRequestPossible:
    failure = Failure("no-request", f"no request could be made up: {why}", "give requests with --requests FILE")
    return NoRequestPossible(failure=failure)
