"""SageMaker's contract, and what Multi Model Server passes over."""

from __future__ import annotations

from pathlib import Path

from ivdocker.servers import registry
from ivdocker.servers.client import Endpoint, Readiness
from tests.unit.loopback import model_server
from tests.unit.servers.helpers import AVAILABLE, NOT_READY, UNAVAILABLE, look, mounted, params, put


def test_sagemakers_contract(tmp_path: Path) -> None:
    found = params("sagemaker", put(tmp_path, {"model.pth": ""}))
    assert (found["command"], mounted(found)) == (["serve"], {str(tmp_path): "/opt/ml/model"})
    client = registry.by_kind("sagemaker").binary("x").MakeClient("127.0.0.1:1")
    assert (client.ready_path(), client.predict_path()) == ("/ping", "/invocations")


MMS = "2026-01-01T00:00:00,000 [INFO ] W-9000-model-stdout com.amazonaws.ml.mms.wlm.WorkerLifeCycle - "
MMS_BEGINS = """\
2026-01-01T00:00:00,000 [INFO ] main com.amazonaws.ml.mms.ModelServer - Loading initial models: /opt/ml/model
"""
ACCEPTED, LOADED = "Connection accepted: /tmp/.mms.sock.9000.", "Model model loaded io_fd=0242-0a-1"
SWALLOWED = [
    "'bias'",
    "Traceback (most recent call last):",
    '  File "/opt/mms/model_loader.py", line 145, in load',
    "    model_service.initialize(service.context)",
    '  File "/opt/ml/model/code/inference.py", line 12, in model_fn',
    '    return model["weights"], model["bias"]',
    "                             ~~~~~^^^^^^^^",
]


def sagemaker(*workers_wrote: str, log: str | None = None, status: int = 200) -> Readiness:
    text = MMS_BEGINS + "".join(f"{MMS}{line}\n" for line in workers_wrote) if log is None else log
    with model_server() as server:
        server.on("GET /ping", {"status": "Healthy"}, status)
        endpoint = Endpoint(server.endpoint, {"http": server.endpoint}, log=lambda: text)
        return look(registry.by_kind("sagemaker").binary("x").MakeClient(endpoint))


def test_a_sagemaker_container_is_ready_when_its_ping_answers_well() -> None:
    assert sagemaker(log="").state is AVAILABLE
    assert sagemaker(log="a server of one's own\n").state is AVAILABLE
    assert sagemaker(log="", status=503).state is NOT_READY


def test_multi_model_server_is_ready_when_its_workers_have_loaded_the_model_whatever_its_ping_says() -> None:
    assert sagemaker("MMS worker started.").state is NOT_READY
    half = sagemaker(ACCEPTED, ACCEPTED, LOADED)
    assert (half.state, half.detail) == (NOT_READY, "1 of 2 workers have loaded it")
    assert sagemaker(ACCEPTED, ACCEPTED, LOADED, LOADED).state is AVAILABLE


def test_what_multi_model_servers_workers_pass_over_is_a_failure_in_its_words() -> None:
    found = sagemaker(ACCEPTED, *SWALLOWED, "KeyError: 'bias'", LOADED)
    assert (found.state, found.code) == (UNAVAILABLE, "model-load-failed")
    assert found.detail == "loading it raised KeyError: 'bias'"


def test_a_message_that_begins_with_a_line_break_is_told_too() -> None:
    found = sagemaker(ACCEPTED, *SWALLOWED, "NotImplementedError: ", "", "Please provide a model_fn.", LOADED)
    assert found.detail == "loading it raised NotImplementedError: Please provide a model_fn."


def test_a_traceback_that_is_cut_off_is_told_without_a_guess() -> None:
    assert sagemaker(ACCEPTED, *SWALLOWED, LOADED).detail == "loading it raised an exception"
