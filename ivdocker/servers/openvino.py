"""OpenVINO Model Server: the Open Inference Protocol v2 on port 8000, gRPC on 9000.

Facts from openvinotoolkit/model_server: the entrypoint is the server, REST is off without ``--rest_port``, versions are
numbered folders (``docs/starting_server.md``, ``docs/models_repository.md``); log lines are in
``src/ovms_exit_codes.hpp`` and ``src/modelmanager.cpp``.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import ClassVar

from ivdocker.model_path import ModelPath
from ivdocker.servers.base import SAVE_LOG, DockerRunParams, Fingerprint, LogPattern, ServingBinary, bind
from ivdocker.servers.open_inference import OpenInferenceClient


class OpenVINO(ServingBinary):
    """The ``openvino/model_server`` image.

    A folder of versions is mounted at ``/models/NAME``, any other folder as a version of that.
    """

    kind = "openvino"
    ports = MappingProxyType({"http": 8000, "grpc": 9000})
    log_patterns = (
        LogPattern(
            r"Couldn't start model manager",
            "model-load-failed",
            "OpenVINO Model Server cannot load the model",
            f"the lines before this one in the server's log name the cause; {SAVE_LOG}",
            names_cause=False,
        ),
    )
    fingerprint = Fingerprint(program=r"/ovms/bin/ovms\b", files=("*/*.xml", "*.xml", "*/*.onnx", "*/*.tflite"))

    def MakeDockerRunParams(self, model_path: str, needs_mount: bool) -> DockerRunParams:
        place = f"/models/{self.model_name}" if needs_mount else model_path
        model = ModelPath(model_path)
        has_versions = any(folder.version for folder in model.folders())
        target = place if has_versions else f"{place}/{model.version or 1}"
        return {
            "image": self.image,
            "command": [f"--model_name={self.model_name}", f"--model_path={place}", "--rest_port=8000", "--port=9000"],
            "mounts": [bind(model_path, target)] if needs_mount else [],
        }

    def MakeClient(self, endpoint: str) -> OpenVINOClient:
        return OpenVINOClient(endpoint, self.model_name)


class OpenVINOClient(OpenInferenceClient):
    """A client of OpenVINO Model Server, whose ports open before the model is loaded."""

    unknown_s: ClassVar[float] = 5.0
