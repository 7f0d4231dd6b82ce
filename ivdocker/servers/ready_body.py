"""What the body of a readiness response says: some servers answer with status 200 before the model is loaded, or where
it cannot be."""

from __future__ import annotations

import re
from typing import Any

from ivdocker import http
from ivdocker.servers.records import ModelState, Readiness
from ivdocker.text import one_line

_FLAGS = ("ready", "is_ready", "loaded", "is_loaded", "model_loaded", "model_ready", "models_loaded", "healthy")
"""The keys whose value false, as a bool or a text, means: not ready."""

_STATUS = ("status", "state", "health", "model_status", "model_state")
"""The keys whose value is a word."""

_NOT_YET = frozenset(
    {"down", "error", "fail", "failed", "failure", "initializing", "loading", "not_loaded", "not_ready", "pending"}
    | {"starting", "stopped", "unavailable", "unhealthy"}
)
"""The words that mean: not ready now. TorchServe's ``Unhealthy`` is one: its workers may come back."""

_NEVER = frozenset({"setup_failed", "load_failed", "failed_to_load", "defunct"})
"""The words that mean: the model will never be ready. Cog says SETUP_FAILED and keeps running."""

_WEB_PAGE = re.compile(
    r"<title>\s*(Welcome to (nginx|openresty|tengine|caddy)|Apache2? .*Default Page|Test Page for|IIS Windows"
    r"|Caddy works|Directory listing for|Index of /|\d{3} [A-Z])|<h1>\s*It works!",
    re.IGNORECASE,
)
"""The pages of a web server that stands before the model server, or that has come instead of it."""
_LOOKED_AT = 65536


def judge(response: http.Response) -> Readiness:
    """The readiness by the body of a response with status 2xx: AVAILABLE unless it says otherwise."""
    if _WEB_PAGE.search(response.body[:_LOOKED_AT].decode("utf-8", "replace")):
        return Readiness(ModelState.NOT_READY, f"a web server's page came instead of an answer: {_shown(response)}")
    if _word(response.text[:_LOOKED_AT].strip('"\n ')) in _NOT_YET | {"false"}:
        return Readiness(ModelState.NOT_READY, f"HTTP {response.status}, but the server says: {_shown(response)}")
    try:
        record = response.json() if len(response.body) <= _LOOKED_AT else None
    except ValueError:
        return Readiness(ModelState.AVAILABLE)
    if not isinstance(record, dict):
        return Readiness(ModelState.AVAILABLE)
    words = {_word(record[key]) for key in _STATUS if isinstance(record.get(key), str)}
    if words & _NEVER:
        return Readiness(ModelState.UNAVAILABLE, f"the server says: {_shown(response)}")
    if words & _NOT_YET or any(word.startswith("loading") for word in words) or _denies(record):
        return Readiness(ModelState.NOT_READY, f"HTTP {response.status}, but the server says: {_shown(response)}")
    return Readiness(ModelState.AVAILABLE)


def _denies(record: dict[str, Any]) -> bool:
    """Whether a flag, a number or an error in the body says that the server is not ready."""
    is_busy = any(record.get(key) is True for key in ("loading", "starting", "initializing"))
    is_bad_status = isinstance(record.get("status"), int) and record["status"] >= 400
    has_error = isinstance(record.get("error"), str) and record["error"]
    return bool(is_busy or is_bad_status or has_error or any(_is_false(record[key]) for key in _FLAGS if key in record))


def _word(text: str) -> str:
    return re.sub(r"[\s-]+", "_", text.strip().lower())


def _is_false(value: Any) -> bool:
    return value in (False, 0) or (isinstance(value, str) and value.strip().lower() == "false")


def _shown(response: http.Response) -> str:
    return one_line(response.text, 200)
