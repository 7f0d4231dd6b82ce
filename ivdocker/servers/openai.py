"""Servers of the OpenAI API: vLLM, Text Generation Inference, llama.cpp, SGLang.

Facts: vLLM's image takes the server's flags (docs.vllm.ai, "Using Docker", 0.4 to 0.11) and listens on 8000; TGI's
``text-generation-launcher`` those of its README, on 80 in the image (huggingface/text-generation-inference
``Dockerfile``); llama.cpp reads LLAMA_ARG_* (ggml-org/llama.cpp ``tools/server/README.md``); SGLang's image has no
command of its own (sgl-project/sglang ``docs/get_started/install.md``). ``/health`` and ``/v1/models`` as in each
server's sources. Tried for real: vLLM 0.32.0, a build for CPUs. It says that ``--model`` will go some day in favour of
a first argument without a name, which images before ``vllm serve`` do not take.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from ivdocker import clock, http
from ivdocker.errors import UsageError
from ivdocker.model_path import ModelPath
from ivdocker.servers.base import BY_USER, DockerRunParams, Fingerprint, LogPattern, Selection, ServingBinary, bind
from ivdocker.servers.client import BaseModelServerClient, error_text
from ivdocker.servers.records import ModelState, Readiness, RequestBody, Tensor

_PROMPT = "a"


class Flavour(NamedTuple):
    """How one of these servers is run. ``{path}``, ``{name}`` and ``{file}`` stand for the model's folder, its name and
    its GGUF file. ``name``: searched in the image's name, or else in its entrypoint."""

    name: str
    port: int
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = MappingProxyType({})


FLAVOURS = (
    Flavour(r"vllm", 8000, ("--model={path}", "--served-model-name={name}")),
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
            *("--model-path={path}", "--served-model-name={name}"),
        ),
    ),
)

_OTHER = Flavour("", 8000, environment={"MODEL_NAME": "{name}", "MODEL_PATH": "{path}"})

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
        "compare the file's size and checksum with the original's",
    ),
    LogPattern(
        r"exiting due to model loading error",
        "model-load-failed",
        "llama.cpp cannot load the model",
        "the lines before it in the server's log name the cause; --evidence DIR keeps it whole",
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
        "use an image of a vLLM that supports it; architectures stands in the model's config.json",
    ),
    LogPattern(
        r"OSError: (?P<reason>It looks like the config file at .* is not a valid JSON file)",
        "model-load-failed",
        "vLLM cannot read the model's configuration: {reason}",
        "compare the file with the original's",
    ),
    LogPattern(
        r"ERROR [^\]]*\[(core|multiproc_executor)\.py:\d+\] (?P<reason>[\w.]+(Error|Exception): .*)",
        "model-load-failed",
        "vLLM's engine does not start: {reason}",
        "the traceback in the server's log tells where; --evidence DIR keeps it whole",
    ),
    LogPattern(
        r"Engine core initialization failed",
        "model-load-failed",
        "vLLM's engine does not start",
        "the cause is further up in the server's log; --evidence DIR keeps it whole",
    ),
    LogPattern(
        r"ShardCannotStart|Shard \d+ failed to start",
        "model-load-failed",
        "Text Generation Inference cannot start the model",
        "the cause is under 'Shard complete standard error output' in the log; --evidence DIR keeps it whole",
    ),
)


class OpenAI(ServingBinary):
    """One of those servers, told by the image's name or entrypoint; any other is run as it is, and asked on port 8000.

    The folder is mounted at ``/models/NAME``. A name of the Hugging Face Hub is no MODEL: nothing is downloaded.
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
            # Not by its CMD: our flags replace that, and only an entrypoint can take them.
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
        return "the model's folder holds a config.json with architectures and *.safetensors" if is_model else None

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
        return OpenAIClient(endpoint, self.model_name)


class OpenAIClient(BaseModelServerClient):
    """A body with ``messages`` goes to /v1/chat/completions, any other to /v1/completions; one without ``model`` gets
    the server's own."""

    volatile_paths = ("$.id", "$.created", "$.system_fingerprint")
    _served: str | None = None

    def probe_model(self, name: str, deadline: clock.Deadline) -> Readiness:
        """Healthy, and with a model in the list; who asks for a key before showing it is taken at its health's word."""
        health = self._state_of(self.ready_path(), deadline)
        if isinstance(health, Readiness):
            return health
        if health.status != 200:
            return Readiness(ModelState.NOT_READY, f"HTTP {health.status}: {error_text(health) or 'not healthy'}")
        listed = self._state_of("/v1/models", deadline)
        if isinstance(listed, Readiness):
            return listed
        if listed.status not in (401, 403):
            self._served = _first_model(listed)
            if self._served is None:
                return Readiness(ModelState.NOT_READY, f"it is healthy, and lists no model ({error_text(listed)})")
        return Readiness(ModelState.AVAILABLE)

    def ready_path(self) -> str:
        return "/health"

    def predict_path(self, model_name: str | None = None, version: str | None = None) -> str:
        return "/v1/completions"

    def path_of(self, message: RequestBody) -> str:
        is_chat = isinstance(message.body, dict) and "messages" in message.body
        return "/v1/chat/completions" if is_chat else super().path_of(message)

    def inputs(self, model_name: str | None = None, signature: str | None = None) -> list[Tensor]:
        return [Tensor("prompt", "BYTES", ())] if self._served else []

    def request_body(self, values: Mapping[str, Any], inputs: list[Tensor]) -> Any:
        """One token is enough to see that it generates, the likeliest, that it may be compared; nothing is generated
        from an empty prompt."""
        prompt = values.get("prompt") or _PROMPT
        return {"model": self._served or self.model_name, "prompt": prompt, "max_tokens": 1, "temperature": 0}

    def body_of(self, message: RequestBody) -> Any:
        if not isinstance(message.body, dict) or "model" in message.body:
            return message.body
        return {"model": message.model_name or self._served or self.model_name, **message.body}


def _flavour(words: str) -> Flavour:
    return next((each for each in FLAVOURS if re.search(each.name, words, re.IGNORECASE)), _OTHER)


def _first_model(answer: http.Response) -> str | None:
    try:
        return str(answer.json()["data"][0]["id"])
    except (ValueError, LookupError, TypeError):
        return None


def _gguf(model_path: str) -> str:
    """The model's file; of one in parts the first. Raises UsageError."""
    found = sorted(path.name for path in Path(model_path).glob("*.gguf") if not path.name.startswith("mmproj"))
    whole = [name for name in found if not re.search(r"-\d{5}-of-\d{5}\.gguf$", name) or "-00001-of-" in name]
    if len(whole) != 1:
        said = f"holds {len(whole)} models ({', '.join(whole)})" if whole else "holds no .gguf file"
        raise UsageError(f"{model_path!r} {said}; give a folder with one GGUF file")
    return whole[0]


def _has_architectures(path: Path) -> bool:
    try:
        return "architectures" in json.loads(path.read_bytes())
    except (OSError, ValueError, TypeError, RecursionError):
        return False
