"""SageMaker's contract for containers: the argument ``serve``, the model in /opt/ml/model, /ping and /invocations on
port 8080.

Facts: the contract is in the SageMaker AI developer guide, "Custom Inference Code with Hosting Services"
(your-algorithms-inference-code), the labels in its pages "Inference pipelines" and "multi-model endpoints". Log lines
and responses are those of Amazon's SageMaker Inference Toolkit 1.10.1 on Multi Model Server 1.1.11.
"""

from __future__ import annotations

import re
from types import MappingProxyType

from ivdocker import clock
from ivdocker.servers.base import SAVE_LOG, DockerRunParams, Fingerprint, LogPattern, ServingBinary, bind_folder, denied
from ivdocker.servers.generic import HttpClient, exception_in
from ivdocker.servers.records import ModelState, Readiness, Routes

_MODEL = "/opt/ml/model"
_WORKER_LINE = re.compile(r"mms\.wlm\.WorkerLifeCycle - (?P<text>.*)")
_LOADING_LINE = "com.amazonaws.ml.mms.ModelServer - Loading initial models"
_ACCEPTED = "Connection accepted: "
_LOADED = re.compile(r"Model \S+ loaded io_fd=")
_SWALLOWED = "model_service.initialize(service.context)"

_LOG_PATTERNS = (
    denied(_MODEL),
    LogPattern(
        r"java not found, please make sure JAVA_HOME is set properly",
        "container-exited",
        "Multi Model Server does not start: Java is not installed in the image",
        "install a Java runtime in the image",
        fatal=True,
    ),
    LogPattern(
        r"failed to install required packages",
        "model-load-failed",
        "the SageMaker Inference Toolkit cannot install the model's code/requirements.txt",
        "install the packages in the image, or give the container pip and a network",
        fatal=True,
    ),
    LogPattern(
        r"Backend worker process died\.",
        "model-load-failed",
        "Multi Model Server's worker dies while it loads the model, and the server restarts it endlessly",
        f"the traceback in the server's log names the cause; {SAVE_LOG}",
        fatal=True,
        names_cause=False,
    ),
)


class SageMaker(ServingBinary):
    """An image for SageMaker's hosting. The folder is the unpacked content of model.tar.gz."""

    kind = "sagemaker"
    ports = MappingProxyType({"http": 8080})
    log_patterns = _LOG_PATTERNS
    fingerprint = Fingerprint(labels=("com.amazonaws.sagemaker.",))

    def MakeDockerRunParams(self, model_path: str, needs_mount: bool) -> DockerRunParams:
        mounts = bind_folder(self, model_path, needs_mount, _MODEL)
        return {"image": self.image, "command": ["serve"], "mounts": mounts}

    def MakeClient(self, endpoint: str) -> SageMakerClient:
        return SageMakerClient(endpoint, self.model_name, Routes(8080, "/ping", "/invocations"))


class SageMakerClient(HttpClient):
    """A client of SageMaker's contract.

    Multi Model Server answers ``/ping`` with 200 before the model is loaded, and also when it cannot be loaded: its
    workers ignore the exception that ``model_fn`` raises, and then every request fails. Only its log shows that.
    """

    chooses_path = False

    def probe_model(self, name: str, deadline: clock.Deadline) -> Readiness:
        readiness = super().probe_model(name, deadline)
        return _workers_readiness(self.endpoint.log() or "") if readiness.state is ModelState.AVAILABLE else readiness


def _workers_readiness(log: str) -> Readiness:
    """What the lines of Multi Model Server's workers in the log say; AVAILABLE when the log has no such lines."""
    lines = [match["text"].rstrip() for match in _WORKER_LINE.finditer(log)]
    swallowed = next((at for at, line in enumerate(lines) if _SWALLOWED in line), None)
    loaded = sum(bool(_LOADED.match(line)) for line in lines)
    workers = max(1, sum(line.startswith(_ACCEPTED) for line in lines))
    if _LOADING_LINE in log and loaded < workers:
        return Readiness(ModelState.NOT_READY, f"{loaded} of {workers} workers have loaded it")
    if swallowed is not None:
        traceback = "\n".join(lines[swallowed - 2 :])
        return Readiness(ModelState.UNAVAILABLE, f"loading it raised {exception_in(traceback)}")
    return Readiness(ModelState.AVAILABLE)
