"""Every fault of the model or its server has the verdict that it deserves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from tests.conftest import ModelFactory
from tests.faults.conftest import Start
from tests.faults.run import REQUESTS, validate

pytestmark = pytest.mark.faults


class Fault(NamedTuple):
    """``outcome``: exit code and failure code."""

    name: str
    outcome: str
    standin: Mapping[str, Any] = MappingProxyType({})
    args: tuple[str, ...] = ()
    content: bytes | None = b"half_plus_two\n"


ASKED = (REQUESTS,)
SHORT = ("--timeout=4",)
NO_IMAGE = ("--image=ivdocker/tensorflow-serving-none:1", "--pull=never")
NO_REGISTRY = ("--image=127.0.0.1:1/tensorflow-serving:1",)
OTHER_PLATFORM = ("--platform=linux/arm64", "--pull=never")
DIES = {"die_after_seconds": 1, "request_seconds": 5}
FAULTS = (
    Fault("none", "0 -", args=ASKED),
    Fault("saved_model.pb is missing", "1 model-load-failed", {"log_mb": 0}, content=None),
    Fault("saved_model.pb is corrupt", "1 model-load-failed", content=b"corrupt"),
    Fault("saved_model.pb is empty", "1 model-load-failed", content=b""),
    Fault("an operation that is not known", "1 model-load-failed", content=b"op:FancyOp"),
    Fault("wrong MODEL_BASE_PATH", "1 model-not-found", args=("--env=MODEL_BASE_PATH=/nowhere",)),
    Fault("the REST port is taken inside", "1 not-listening", {"rest_port_taken": True}),
    Fault("listens on 127.0.0.1 only", "1 not-listening", {"listen_host": "127.0.0.1"}),
    Fault("accepts and says nothing", "1 load-timeout", {"listen_first_hang": True}, SHORT),
    Fault("exit 3", "1 container-exited", {"exit_during_load": 3}),
    Fault("exit 0", "1 container-exited", {"exit_during_load": 0}),
    Fault("SIGILL", "1 illegal-instruction", {"signal_during_load": 4}),
    Fault("SIGSEGV", "1 container-exited", {"signal_during_load": 11}),
    Fault("SIGKILL of the server (137, no OOM)", "1 container-exited", {"signal_during_load": 9}),
    Fault("200 MB in --memory 64m", "1 out-of-memory", {"allocate_mb_during_load": 200}, ("--memory=64m",)),
    Fault("loading never ends", "1 load-timeout", {"hang_load": True}, SHORT),
    Fault("status END", "1 model-load-failed", {"state": "END", "error": "gone"}),
    Fault("status is HTML", "1 load-timeout", {"status_html": True}, SHORT),
    Fault("HTTP 500", "1 request-failed", {"http_status": 500, "error": "boom"}, ASKED),
    Fault("HTML", "1 request-failed", {"html": True}, ASKED),
    Fault("an error with HTTP 200", "1 request-failed", {"error_in_200": True}, ASKED),
    Fault("closes half-way", "1 request-failed", {"close_halfway": True}, ASKED),
    Fault("dies at the third request", "1 container-exited", {"exit_after_requests": 2}, ASKED),
    Fault("wrong by 1", "1 response-mismatch", {"add": 1}, ASKED),
    Fault("NaN", "1 response-mismatch", {"nan": True}, ASKED),
    Fault("every second answer wrong", "1 response-mismatch", {"flaky": True}, ASKED),
    Fault("dies after 1 s", "1 container-exited", DIES, ASKED),
    Fault("takes 5 MB of binary log", "0 -", {"log_mb": 5, "log_binary": True}),
    Fault("image not there, --pull never", "3 image-not-found", args=NO_IMAGE),
    Fault("registry cannot be reached", "3 image-not-found", args=NO_REGISTRY),
    Fault("image of another platform", "3 platform-mismatch", args=OTHER_PLATFORM),
    Fault("no such GPU", "3 gpu-unavailable", args=("--gpus=all",)),
)
AT_ONE_REQUEST = (
    Fault("accepted, never answered", "1 request-timeout", {"hang_requests": True}),
    Fault("an answer of a byte a second", "1 request-timeout", {"drip_requests": True}),
    Fault("an answer of 10 GB", "3 response-too-large", {"answer_bytes": 10**10}),
)
"""Each request costs a minute."""


@pytest.mark.parametrize("fault", [pytest.param(fault, id=fault.name) for fault in FAULTS])
def test_a_fault_has_its_verdict(fault: Fault, start: Start, model: ModelFactory) -> None:
    path = model(**fault.standin)
    saved_model = path / "1" / "saved_model.pb"
    saved_model.unlink()
    if fault.content is not None:
        saved_model.write_bytes(fault.content)
    start(*validate(path, *fault.args)).assert_outcome(fault.outcome)


@pytest.mark.parametrize("fault", [pytest.param(fault, id=fault.name) for fault in AT_ONE_REQUEST])
def test_a_fault_at_a_request_has_its_verdict(
    fault: Fault, start: Start, model: ModelFactory, one_request: str
) -> None:
    start(*validate(model(**fault.standin), one_request)).assert_outcome(fault.outcome)


def test_no_folder_with_a_number(start: Start, model: ModelFactory) -> None:
    path: Path = model()
    (path / "1").rename(path / "one")
    start(*validate(path)).assert_outcome("1 model-load-failed")
