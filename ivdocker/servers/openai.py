"""Servers of the OpenAI API: vLLM, Text Generation Inference (TGI), llama.cpp, SGLang.

Facts:

- vLLM's image takes the server's flags and listens on port 8000 (docs.vllm.ai, "Using Docker", 0.4 to 0.11). vLLM
  0.32.0 announces that it will drop ``--model`` for a positional argument; images older than ``vllm serve`` do not take
  that.
- TGI's ``text-generation-launcher`` takes the flags in its README; the image sets port 80
  (huggingface/text-generation-inference ``Dockerfile``).
- llama.cpp reads the variables LLAMA_ARG_* (ggml-org/llama.cpp ``tools/server/README.md``).
- SGLang's image has no command (sgl-project/sglang ``docs/get_started/install.md``).
- ``/health`` and ``/v1/models`` are in each server's sources.

Of these, vLLM 0.32.0 (a build for CPUs) was tried; the others follow their documentation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

from ivdocker import clock, http
from ivdocker.errors import UsageError
from ivdocker.model_path import ModelPath
from ivdocker.servers import ready_body
from ivdocker.servers.base import (
    BY_USER,
    SAVE_LOG,
    DockerRunParams,
    Fingerprint,
    LogPattern,
    Selection,
    ServingBinary,
    bind,
)
from ivdocker.servers.client import BaseModelServerClient, error_text
from ivdocker.servers.protocol import EVENTS
from ivdocker.servers.records import ModelState, Readiness, RequestBody, Tensor

_ONCE = ("id", "created", "created_at", "system_fingerprint", "timings", "usage.prompt_tokens_details")
"""What is at the top of a response, or of an event of a stream, for once only. ``timings`` is llama.cpp's;
``prompt_tokens_details`` tells how much of the prompt was in the server's cache."""

_CALLS = tuple(f"choices[*].{part}.tool_calls[*].id" for part in ("message", "delta"))
_VOLATILE = tuple(f"{place}.{path}" for place in ("$", "$.events[*]") for path in (*_ONCE, *_CALLS))

_PATHS = {
    "messages": "/v1/chat/completions",
    "prompt": "/v1/completions",
    "documents": "/v1/rerank",
    "input": "/v1/embeddings",
}
"""The path of a body with this key."""

_PROMPT = "a"
"""The prompt of a request that is made up."""


class Flavour(NamedTuple):
    """How to run one of these servers.

    ``name``: a regular expression searched in the image's name, and in its entrypoint if the name does not match.
    ``port``: the container port. In ``command`` and ``environment``, ``{path}`` stands for the model's folder,
    ``{name}`` for its name, ``{file}`` for its GGUF file.
    """

    name: str
    port: int
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = MappingProxyType({})


_NAMING = "--served-model-name={name}"

FLAVOURS = (
    Flavour(r"vllm", 8000, ("--model={path}", _NAMING)),
    Flavour(r"text-generation-(inference|launcher)|\btgi\b", 80, ("--model-id={path}", "--port=80")),
    Flavour(
        r"llama[._-]?cpp|llama-server",
        8080,
        environment={
            "LLAMA_ARG_MODEL": "{file}",
            "LLAMA_ARG_ALIAS": "{name}",
            "LLAMA_ARG_HOST": "0.0.0.0",
            "LLAMA_ARG_PORT": "8080",
        },
    ),
    Flavour(
        r"sglang",
        30000,
        (
            *("python3", "-m", "sglang.launch_server", "--host=0.0.0.0", "--port=30000"),
            *("--model-path={path}", _NAMING),
        ),
    ),
)

_OTHER = Flavour("", 8000, environment={"MODEL_NAME": "{name}", "MODEL_PATH": "{path}"})
"""Any other server: it gets no flags."""

_MEMORY_HINT = "use a smaller or quantized model, a shorter context, or a bigger GPU"

_LOG_PATTERNS = (
    LogPattern(
        r"(?P<reason>Free memory on device.*less than desired GPU memory utilization[^.]*)",
        "model-load-failed",
        "the GPU has too little free memory: {reason}",
        _MEMORY_HINT,
    ),
    LogPattern(
        r"Not enough memory\. Please try to increase --mem-fraction-static",
        "model-load-failed",
        "the GPU has too little memory for the model and its cache",
        _MEMORY_HINT,
    ),
    LogPattern(
        r"error loading model: (?P<reason>.*)",
        "model-load-failed",
        "llama.cpp cannot load the model: {reason}",
        "compare the size and the checksum of the model's file with the original's",
        names_cause=False,
    ),
    LogPattern(
        r"exiting due to model loading error",
        "model-load-failed",
        "llama.cpp cannot load the model",
        f"the lines before this one in the server's log name the cause; {SAVE_LOG}",
        names_cause=False,
    ),
    LogPattern(
        r"couldn't bind HTTP server socket",
        "not-listening",
        "llama.cpp's port is taken inside its container",
        "check what else the image starts on that port",
    ),
    LogPattern(
        r"Value error, (?P<reason>Model architectures .*? are not supported[^.]*)",
        "model-load-failed",
        "vLLM does not know the model: {reason}",
        "use an image of a vLLM version that supports the architectures in the model's config.json",
    ),
    LogPattern(
        r"OSError: (?P<reason>It looks like the config file at .* is not a valid JSON file)",
        "model-load-failed",
        "vLLM cannot read the model's configuration: {reason}",
        "compare the file with the original",
    ),
    LogPattern(
        r"ERROR [^\]]*\[(core|multiproc_executor)\.py:\d+\] (?P<reason>[\w.]+(Error|Exception): .*)",
        "model-load-failed",
        "vLLM's engine does not start: {reason}",
        f"the traceback in the server's log shows where; {SAVE_LOG}",
        position="end",
        names_cause=False,
    ),
    LogPattern(
        r"Failed to infer device type",
        "gpu-unavailable",
        "vLLM finds no device that this image can use",
        "use --gpus all on a machine with a GPU and its driver, or use the CPU variant of the image",
        position="exception",
    ),
    LogPattern(
        r"Engine core initialization failed",
        "model-load-failed",
        "vLLM's engine does not start",
        f"the cause is further up in the server's log; {SAVE_LOG}",
        names_cause=False,
    ),
    LogPattern(
        r"ShardCannotStart|Shard \d+ failed to start",
        "model-load-failed",
        "Text Generation Inference cannot start the model",
        f"the cause is under 'Shard complete standard error output' in the server's log; {SAVE_LOG}",
        names_cause=False,
    ),
)


class OpenAI(ServingBinary):
    """An image of one of these servers, recognised by the image's name or entrypoint. An image of any other server runs
    without flags and must listen on port 8000.

    The folder is mounted at ``/models/NAME``. The name of a model on the Hugging Face Hub cannot be MODEL: nothing is
    downloaded.
    """

    kind = "openai"
    log_patterns = _LOG_PATTERNS
    fingerprint = Fingerprint(
        program=r"\bvllm\b|text-generation-launcher|tgi-entrypoint|llama-server|sglang\.launch_server"
    )

    def __init__(
        self, image: str, model_name: str = "model", models: Sequence[str] = (), selection: Selection = BY_USER
    ) -> None:
        super().__init__(image, model_name, models, selection)
        flavour = _flavour(image)
        if flavour is _OTHER and selection.configuration:
            # The CMD is not searched: our flags replace it, and only an entrypoint can take them.
            flavour = _flavour(" ".join(selection.configuration.entrypoint))
        self._flavour = flavour
        self.ports = {"http": flavour.port}

    @classmethod
    def needs_configuration(cls, image: str) -> bool:
        return _flavour(image) is _OTHER

    @classmethod
    def match_folder(cls, model: ModelPath) -> str | None:
        if any(model.path.glob("*.gguf")):
            return "the model's folder holds *.gguf"
        is_model = _has_architectures(model.path / "config.json") and any(model.path.glob("*.safetensors"))
        return "the model's folder holds *.safetensors and a config.json with architectures" if is_model else None

    def MakeDockerRunParams(self, model_path: str, needs_mount: bool) -> DockerRunParams:
        path = f"/models/{self.model_name}" if needs_mount else model_path
        words = {"path": path, "name": self.model_name}
        if "{file}" in self._flavour.environment.values():
            words["file"] = f"{path}/{_gguf(model_path)}" if needs_mount else model_path
        return {
            "image": self.image,
            "command": [word.format(**words) for word in self._flavour.command],
            "environment": {name: value.format(**words) for name, value in self._flavour.environment.items()},
            "mounts": [bind(model_path, path)] if needs_mount else [],
            "shm_size": "1g",
        }

    def MakeClient(self, endpoint: str) -> OpenAIClient:
        return OpenAIClient(endpoint, self.model_name, _NAMING in self._flavour.command)


class OpenAIClient(BaseModelServerClient):
    """A client of the OpenAI API.

    A body with ``messages`` goes to /v1/chat/completions, one with ``input`` to /v1/embeddings, one with ``documents``
    to /v1/rerank, any other to /v1/completions. A body without ``model`` gets the model's name if the server lists it,
    else that of the first model in the list.
    """

    answer_types: ClassVar[tuple[str, ...]] = (EVENTS, "audio/")
    _served: str | None = None
    """The model in the server's list that gets the requests; None when the list is not known."""

    def __init__(self, endpoint: str, model_name: str, was_named: bool = False) -> None:
        """``was_named``: the server was told to serve the model by this name, and must."""
        super().__init__(endpoint, model_name)
        self._was_named = was_named

    def probe_model(self, name: str, deadline: clock.Deadline) -> Readiness:
        """Ready means healthy, and with a model in the list of models. If the server shows that list only to clients
        with an API key, healthy is enough."""
        health = self._state_of(self.ready_path(), deadline)
        if isinstance(health, Readiness):
            return health
        if health.status != 200:
            return Readiness(ModelState.NOT_READY, f"HTTP {health.status}: {error_text(health) or 'not healthy'}")
        said = ready_body.judge(health)
        if said.state is not ModelState.AVAILABLE:
            return said
        models = self._state_of("/v1/models", deadline)
        if isinstance(models, Readiness):
            return models
        if models.status not in (401, 403):
            served = _models(models)
            if not served:
                text = f"the server is healthy but lists no model ({error_text(models)})"
                return Readiness(ModelState.NOT_READY, text)
            if self._was_named and self.model_name not in served:
                text = f"the server was told --served-model-name={self.model_name}, but serves {', '.join(served)}"
                return Readiness(ModelState.UNAVAILABLE, text, "model-not-found")
            self._served = self.model_name if self.model_name in served else served[0]
        return Readiness(ModelState.AVAILABLE)

    def ready_path(self) -> str:
        return "/health"

    def predict_path(self, model_name: str | None = None, version: str | None = None) -> str:
        return "/v1/completions"

    def path_of(self, request: RequestBody) -> str:
        body = request.body if isinstance(request.body, dict) else {}
        return next((path for key, path in _PATHS.items() if key in body), super().path_of(request))

    def inputs(self, model_name: str | None = None, signature: str | None = None) -> list[Tensor]:
        return [Tensor("prompt", "BYTES", ())] if self._served else []

    def volatile_paths(self, request: RequestBody) -> tuple[str, ...]:
        """The server's own ids and times."""
        return _VOLATILE

    def request_body(self, values: Mapping[str, Any], inputs: list[Tensor], model_name: str | None = None) -> Any:
        """A request for one token, which is enough to see that the model generates.

        Temperature 0 asks for the likeliest token, so that answers can be compared. The prompt is not empty, because
        servers generate nothing from an empty one.
        """
        prompt = values.get("prompt") or _PROMPT
        return {"model": self._served or self.model_name, "prompt": prompt, "max_tokens": 1, "temperature": 0}

    def body_of(self, request: RequestBody) -> Any:
        if not isinstance(request.body, dict) or "model" in request.body:
            return request.body
        return {"model": request.model_name or self._served or self.model_name, **request.body}


def _flavour(words: str) -> Flavour:
    """The server whose name is in these words."""
    return next((each for each in FLAVOURS if re.search(each.name, words, re.IGNORECASE)), _OTHER)


def _models(response: http.Response) -> list[str]:
    """The names in the server's list of models; empty when it is none."""
    try:
        return [str(each["id"]) for each in response.json()["data"]]
    except (ValueError, LookupError, TypeError):
        return []


def _gguf(model_path: str) -> str:
    """The name of the model's GGUF file, or of its first part. Raises UsageError unless there is exactly one model."""
    found = sorted(path.name for path in Path(model_path).glob("*.gguf") if not path.name.startswith("mmproj"))
    whole = [name for name in found if not re.search(r"-\d{5}-of-\d{5}\.gguf$", name) or "-00001-of-" in name]
    if len(whole) != 1:
        what = f"holds {len(whole)} models ({', '.join(whole)})" if whole else "holds no .gguf file"
        raise UsageError(f"{model_path!r} {what}; give a folder with one GGUF file")
    return whole[0]


def _has_architectures(path: Path) -> bool:
    try:
        return "architectures" in json.loads(path.read_bytes())
    except (OSError, ValueError, TypeError, RecursionError):
        return False
