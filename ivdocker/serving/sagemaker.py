"""L3. SageMaker's contract for containers: run with ``serve``, the model in /opt/ml/model, /ping and /invocations on
8080.

Facts from the SageMaker AI developer guide, "Custom Inference Code with Hosting Services"
(your-algorithms-inference-code), and the labels from its "Inference pipelines" and "multi-model endpoints" pages.
"""

from __future__ import annotations

from types import MappingProxyType

from ivdocker.serving.base import DockerRunParams, ServingBinary, Signs, bind_folder
from ivdocker.serving.client import Routes
from ivdocker.serving.generic import HttpClient

_MODEL = "/opt/ml/model"


class SageMaker(ServingBinary):
    """An image for SageMaker's hosting. The folder is what model.tar.gz holds, unpacked."""

    kind = "sagemaker"
    ports = MappingProxyType({"http": 8080})
    signs = Signs(labels=("com.amazonaws.sagemaker.",))

    def MakeDockerRunParams(self, model_path: str, needs_mount: bool) -> DockerRunParams:
        mounts = bind_folder(self, model_path, needs_mount, _MODEL)
        return {"image": self.image, "command": ["serve"], "mounts": mounts}

    def MakeClient(self, endpoint: str) -> HttpClient:
        return HttpClient(endpoint, self.model_name, Routes(8080, "/ping", "/invocations"))
