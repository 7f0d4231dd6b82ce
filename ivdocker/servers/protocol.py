"""What a server's protocol says of requests and answers: the model's inputs, the forms of both, and what repeats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ivdocker import http
from ivdocker.errors import UsageError
from ivdocker.servers.records import RequestBody, Tensor

EVENTS = "text/event-stream"
"""The type of an answer that comes in pieces."""

ANY_TYPE = ("text/", "image/", "audio/", "video/", "application/", "multipart/")
"""The answer types of a server whose contract leaves the type to the model."""


class ServerProtocol:
    """The protocol of a server that reports nothing of its model and takes whole request bodies only."""

    answer_types: ClassVar[tuple[str, ...]] = ()
    """The content types that a prediction may have besides JSON; ``image/`` stands for every image. Pages in HTML are
    never predictions."""

    def inputs(self, model_name: str | None = None, signature: str | None = None) -> list[Tensor]:
        """A model's inputs, from the server's metadata; empty when the server does not report them.

        ``model_name`` and ``signature``: None means the client's own model and the default signature. Raises what
        ``endpoint.check()`` raises when the server has ended.
        """
        return []

    def outputs(self, model_name: str | None = None, signature: str | None = None) -> list[Tensor]:
        """A model's outputs; otherwise like :meth:`inputs`."""
        return []

    def max_batch_size(self, model_name: str | None = None) -> int | None:
        """The largest batch that a model takes (``model_name`` None: the client's own).

        0: its first dimension is not a batch. None: the server does not report it.
        """
        return None

    def request_body(self, values: Mapping[str, Any], inputs: list[Tensor], model_name: str | None = None) -> Any:
        """A request body with these values, which are nested lists by input name.

        ``model_name``: None means the client's own model. Raises UsageError when the server has no request format for
        them.
        """
        raise UsageError(f"{type(self).__name__}: a request cannot be made from values; give whole request bodies")

    def may_be_missing(self, tensor: Tensor) -> bool:
        """Whether the request format has a missing value (null) for this input."""
        return False

    def bytes_value(self, data: bytes) -> Any:
        """The JSON form of a string input's value that is not UTF-8 text. Raises UsageError when there is none."""
        raise UsageError(f"{type(self).__name__}: a value that is not UTF-8 text cannot be sent as JSON")

    def volatile_paths(self, request: RequestBody) -> tuple[str, ...]:
        """JSON paths in the response to this request that change from response to response, whatever the model answers.
        Comparisons leave them out."""
        return ()

    def cannot_ask(self, response: http.Response) -> str | None:
        """Why this response says nothing about the model: it can be asked only in a way that ivdocker does not know."""
        return None
