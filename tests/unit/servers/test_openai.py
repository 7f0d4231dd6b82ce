"""vLLM, TGI, llama.cpp, SGLang: how they are run, when they are ready, how they are asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ivdocker.engine.parse import Image
from ivdocker.errors import UsageError
from ivdocker.requests.model import Request
from ivdocker.requests.send import SendOptions, send_all
from ivdocker.servers.records import ModelState, RequestBody
from ivdocker.servers.select import select_server
from tests.unit.loopback import model_server
from tests.unit.servers.helpers import (
    AVAILABLE,
    NOT_READY,
    UNAVAILABLE,
    client_of,
    look,
    made,
    made_up,
    mounted,
    params,
    put,
)


@pytest.mark.parametrize(
    ("image", "port", "words"),
    [
        ("vllm/vllm-openai:v0.11.0", 8000, ["--model=/models/m", "--served-model-name=m"]),
        ("ghcr.io/huggingface/text-generation-inference:3", 80, ["--model-id=/models/m", "--port=80"]),
        ("lmsysorg/sglang:v0.5", 30000, ["sglang.launch_server", "--model-path=/models/m", "--port=30000"]),
        ("ghcr.io/ggml-org/llama.cpp:server", 8080, []),
        ("team/chat:1", 8000, []),
    ],
)
def test_each_openai_server_gets_its_own_flags(tmp_path: Path, image: str, port: int, words: list[str]) -> None:
    model = put(tmp_path / "m", {"m.gguf": ""})
    assert made("openai", model, image=image).ports == {"http": port}
    found = params("openai", model, image=image)
    assert set(words) <= set(found["command"])
    assert bool(words) == bool(found["command"])
    assert mounted(found) == {str(tmp_path / "m"): "/models/m"}


@pytest.mark.parametrize(
    ("entrypoint", "port", "words"),
    [
        ("vllm serve --enforce-eager", 8000, ["--model=/models/m", "--served-model-name=m"]),
        ("/tgi-entrypoint.sh", 80, ["--model-id=/models/m", "--port=80"]),
        ("text-generation-launcher", 80, ["--model-id=/models/m", "--port=80"]),
        ("/start.sh", 8000, []),
    ],
)
def test_an_openai_server_under_any_name_is_run_by_its_entrypoint(
    tmp_path: Path, entrypoint: str, port: int, words: list[str]
) -> None:
    model = put(tmp_path / "m", {"config.json": {}})
    found_image = Image("id", "linux/amd64", tuple(entrypoint.split()), ("vllm", "serve"), {}, {})
    server = select_server("openai", "team/chat:1", model, look=lambda: found_image)
    found = server.MakeDockerRunParams(model.location, True)
    assert (server.ports["http"], found["command"]) == (port, words)


LLAMA = "ghcr.io/ggml-org/llama.cpp:server"


@pytest.mark.parametrize(
    ("files", "chosen"),
    [
        (["m.gguf"], "m.gguf"),
        (["m.gguf", "mmproj-m.gguf"], "m.gguf"),
        (["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"], "m-00001-of-00002.gguf"),
    ],
)
def test_llama_cpp_is_given_the_models_file(tmp_path: Path, files: list[str], chosen: str) -> None:
    found = params("openai", put(tmp_path / "m", dict.fromkeys(files, "")), image=LLAMA)
    assert found["environment"]["LLAMA_ARG_MODEL"] == f"/models/m/{chosen}"
    assert found["environment"]["LLAMA_ARG_HOST"] == "0.0.0.0"


@pytest.mark.parametrize(
    ("files", "words"), [([], "holds no .gguf"), (["a.gguf", "b.gguf"], "2 models (a.gguf, b.gguf)")]
)
def test_llama_cpp_is_not_given_a_file_by_guess(tmp_path: Path, files: list[str], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        params("openai", put(tmp_path, dict.fromkeys(files, "")), image=LLAMA)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("health", "models", "state"),
    [
        ((200, b""), (200, {"data": [{"id": "served"}]}), AVAILABLE),
        ((200, b""), (200, {"data": []}), NOT_READY),
        ((200, b""), (401, {"error": "Unauthorized"}), AVAILABLE),
        ((503, {"error": {"message": "Loading model"}}), (503, b""), NOT_READY),
    ],
)
def test_an_openai_server_is_ready_when_it_is_healthy_and_lists_a_model(
    health: tuple[int, Any], models: tuple[int, Any], state: ModelState
) -> None:
    with model_server() as server:
        server.on("GET /health", health[1], health[0]).on("GET /v1/models", models[1], models[0])
        found = look(client_of("openai", server))
    assert found.state is state
    if health[0] == 503:
        assert "Loading model" in found.detail


@pytest.mark.parametrize(
    ("image", "listed", "state"),
    [
        ("vllm/vllm-openai:v0.11.0", ["m"], AVAILABLE),
        ("vllm/vllm-openai:v0.11.0", ["adapter", "m"], AVAILABLE),
        ("vllm/vllm-openai:v0.11.0", ["facebook/opt-125m"], UNAVAILABLE),
        ("lmsysorg/sglang:v0.5", ["other"], UNAVAILABLE),
        ("ghcr.io/huggingface/text-generation-inference:3", ["/models/m"], AVAILABLE),
        ("team/chat:1", ["other"], AVAILABLE),
    ],
)
def test_the_name_that_the_server_was_told_is_the_one_it_serves(
    tmp_path: Path, image: str, listed: list[str], state: ModelState
) -> None:
    with model_server() as server:
        server.on("GET /health", b"").on("GET /v1/models", {"data": [{"id": name} for name in listed]})
        client = made("openai", put(tmp_path / "m", {}), image=image).MakeClient(server.endpoint)
        found = look(client)
    assert found.state is state
    if state is UNAVAILABLE:
        assert found.code == "model-not-found"
        assert listed[0] in found.detail


def test_an_openai_request_names_the_model_that_the_server_lists() -> None:
    with model_server() as server:
        server.on("GET /health", b"").on("GET /v1/models", {"data": [{"id": "served"}]})
        server.on("POST /v1/completions", {"choices": []}).on("POST /v1/chat/completions", {"choices": [1]})
        client = client_of("openai", server)
        look(client)
        asked = made_up(client)
        assert (asked["model"], asked["max_tokens"], asked["temperature"]) == ("served", 1, 0)
        assert asked["prompt"]
        assert client.predict({"prompt": "x"}) == {"choices": []}
        assert client.predict({"messages": []}) == {"choices": [1]}
        client.predict({"model": "mine", "prompt": "x"})
        sent = [json.loads(body)["model"] for request, body in server.seen if request.startswith("POST")]
    assert sent == ["served", "served", "mine"]


def test_an_openai_answers_own_id_and_time_are_not_compared() -> None:
    recorded = Request({"prompt": "a"}, "f:1", expect={"id": "cmpl-x", "created": 0, "choices": [{"text": "b"}]})
    with model_server() as server:
        for number, text in enumerate("bbbbc"):
            server.on("POST /v1/completions", {"id": f"cmpl-{number}", "created": number, "choices": [{"text": text}]})
        client = client_of("openai", server)
        first = send_all(client, [recorded], lambda _: None)
        twice = send_all(client, [recorded], lambda _: None, SendOptions(deterministic=True))
        changed = send_all(client, [recorded._replace(expect=None)], lambda _: None, SendOptions(deterministic=True))
    assert (first.first_failure, twice.first_failure) == (None, None)
    assert changed.first_failure
    assert "two different responses at $.choices[0].text" in changed.first_failure.message


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"messages": []}, "/v1/chat/completions"),
        ({"prompt": "a"}, "/v1/completions"),
        ({"input": "a"}, "/v1/embeddings"),
        ({"query": "a", "documents": ["b"]}, "/v1/rerank"),
        ({}, "/v1/completions"),
    ],
)
def test_the_body_says_what_is_asked_for(body: Any, path: str) -> None:
    with model_server() as server:
        assert client_of("openai", server).path_of(RequestBody(body)) == path


@pytest.mark.parametrize(
    "answer",
    [
        {"id": "N", "created": "N", "choices": [{"message": {"content": "x"}}]},
        {"choices": [{"message": {"tool_calls": [{"id": "N", "function": {"name": "f"}}]}}]},
        {
            "choices": [{"text": "x"}],
            "timings": {"predicted_ms": "N"},
            "usage": {"prompt_tokens_details": {"cached_tokens": "N"}},
        },
    ],
)
def test_what_servers_invent_for_each_answer_is_not_compared(answer: Any) -> None:
    path = "POST /v1/chat/completions"
    with model_server() as server:
        for number in "12":
            server.on(path, json.loads(json.dumps(answer).replace('"N"', number)))
        sent = send_all(client_of("openai", server), [Request({"messages": []}, "f:1")], lambda _: None, TWICE)
        assert sent.first_failure is None
        server.on(path, {**answer, "choices": 1}).on(path, {**answer, "choices": 2})
        server.answers[path] = server.answers[path][1:]
        sent = send_all(client_of("openai", server), [Request({"messages": []}, "f:1")], lambda _: None, TWICE)
        assert sent.first_failure is not None


TWICE = SendOptions(deterministic=True)
