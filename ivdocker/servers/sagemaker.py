"""SageMaker's contract for containers: run with ``serve``, the model in /opt/ml/model, /ping and /invocations on
8080.

Facts from the SageMaker AI developer guide, "Custom Inference Code with Hosting Services"
(your-algorithms-inference-code), and the labels from its "Inference pipelines" and "multi-model endpoints" pages; log
lines and answers as seen with Amazon's SageMaker Inference Toolkit 1.10.1 on Multi Model Server 1.1.11.
"""

from __future__ import annotations

import re
from types import MappingProxyType

from ivdocker import clock
from ivdocker.servers.base import DockerRunParams, Fingerprint, LogPattern, ServingBinary, bind_folder, denied
from ivdocker.servers.generic import HttpClient, exception_in
from ivdocker.servers.records import ModelState, Readiness, Routes

_MODEL = "/opt/ml/model"
_WORKER_LINE = re.compile(r"mms\.wlm\.WorkerLifeCycle - (?P<text>.*)")
_BEGINS = "com.amazonaws.ml.mms.ModelServer - Loading initial models"
_ACCEPTED = "Connection accepted: "
_LOADED = re.compile(r"Model \S+ loaded io_fd=")
_SWALLOWED = "model_service.initialize(service.context)"
_HINT = "--evidence DIR keeps the server's whole log"

_LOG_PATTERNS = (
    denied(_MODEL),
    LogPattern(
        r"java not found, please make sure JAVA_HOME is set properly",
        "container-exited",
        "Multi Model Server does not start: the image has no Java",
        "install a Java runtime in the image",
        fatal=True,
    ),
    LogPattern(
        r"failed to install required packages",
        "model-load-failed",
        "the SageMaker Inference Toolkit cannot install the model's code/requirements.txt",
        "install the packages in the image, or give it pip and a network",
        fatal=True,
    ),
    LogPattern(
        r"Backend worker process died\.",
        "model-load-failed",
        "Multi Model Server's worker dies while it loads the model, and is started again for ever",
        f"the traceback in the server's log names the cause; {_HINT}",
        fatal=True,
    ),
)


class SageMaker(ServingBinary):
    """An image for SageMaker's hosting. The folder is what model.tar.gz holds, unpacked."""

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
    """Where Multi Model Server runs, ``/ping`` is well before the model is loaded, and also when it cannot be: its
    workers pass over what ``model_fn`` raises, and then every request fails. Only its log tells."""

    def probe_model(self, name: str, deadline: clock.Deadline) -> Readiness:
        seen = super().probe_model(name, deadline)
        return _told_by_workers(self.endpoint.log() or "") if seen.state is ModelState.AVAILABLE else seen


def _told_by_workers(log: str) -> Readiness:
    """AVAILABLE where Multi Model Server does not write there what its workers do."""
    lines = [match["text"].rstrip() for match in _WORKER_LINE.finditer(log)]
    swallowed = next((at for at, line in enumerate(lines) if _SWALLOWED in line), None)
    loaded = sum(bool(_LOADED.match(line)) for line in lines)
    workers = max(1, sum(line.startswith(_ACCEPTED) for line in lines))
    if _BEGINS in log and loaded < workers:
        return Readiness(ModelState.NOT_READY, f"{loaded} of {workers} workers have loaded it")
    if swallowed is not None:
        traceback = "\n".join(lines[swallowed - 2 :])
        return Readiness(ModelState.UNAVAILABLE, f"loading it raised {exception_in(traceback)}")
    return Readiness(ModelState.AVAILABLE)
