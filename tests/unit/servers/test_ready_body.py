"""A readiness response with status 200 is not believed when its body says otherwise."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ivdocker.http import Response
from ivdocker.servers import ready_body
from tests.unit.servers.helpers import AVAILABLE, NOT_READY, UNAVAILABLE

NGINX = "<!DOCTYPE html><html><head><title>Welcome to nginx!</title></head></html>"
LISTING = "<html><head><title>Directory listing for /</title></head></html>"
DOCS = "<!DOCTYPE html><html><head><title>My API - Swagger UI</title></head></html>"


def state_of(body: Any) -> Any:
    return ready_body.judge(Response(200, (body if isinstance(body, str) else json.dumps(body)).encode(), 0.1)).state


@pytest.mark.parametrize(
    ("body", "state"),
    [
        ("", AVAILABLE),
        ("OK", AVAILABLE),
        (DOCS, AVAILABLE),
        ({"status": "READY"}, AVAILABLE),
        ({"status": "ok", "model_loaded": True}, AVAILABLE),
        ({"status": "Healthy"}, AVAILABLE),
        ({"status": {"code": 1}}, AVAILABLE),
        ({"status": 1, "loaded": 1}, AVAILABLE),
        ({"name": "loading"}, AVAILABLE),
        ([{"status": "down"}], AVAILABLE),
        ("false", NOT_READY),
        ('"loading"', NOT_READY),
        ("Not ready", NOT_READY),
        ({"ready": 0}, NOT_READY),
        ({"status": "ok", "loading": True}, NOT_READY),
        ({"status": "LOADING_MODEL"}, NOT_READY),
        ({"status": 503}, NOT_READY),
        ({"status": "UP", "error": "the model failed to load"}, NOT_READY),
        ({"status": "UP", "error": None}, AVAILABLE),
        ({"status": 200}, AVAILABLE),
        ({"status": "SETUP_FAILED", "setup": {}}, UNAVAILABLE),
        ({"status": "Unhealthy"}, NOT_READY),
        ({"status": "Not Ready"}, NOT_READY),
        ({"status": "STARTING"}, NOT_READY),
        ({"model_loaded": False}, NOT_READY),
        ({"status": "ok", "ready": "false"}, NOT_READY),
        (NGINX, NOT_READY),
        (LISTING, NOT_READY),
        ("<html><body><h1>It works!</h1></body></html>", NOT_READY),
    ],
)
def test_the_body_is_read(body: Any, state: Any) -> None:
    assert state_of(body) is state
