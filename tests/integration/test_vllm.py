"""The real vLLM, a build for CPUs, on the real engine: the kind ``openai``."""

from __future__ import annotations

import json
import subprocess
import uuid
from pathlib import Path

import pytest

from tests.conftest import Cli
from tests.integration.alphabet import alphabet
from tests.integration.servers import blessed_run, failure_of, how_it_stopped, requests_file

IMAGE = "ivdocker/vllm:0.32.0"
LOAD_S = 300
COMPLETION = {"prompt": "abc", "max_tokens": 4, "temperature": 0}
CHAT = {"messages": [{"role": "user", "content": "vw"}], "max_tokens": 3, "temperature": 0}

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("server_image")]


def test_what_was_answered_as_expected_is_answered_so_again_without_a_network(cli: Cli, tmp_path: Path) -> None:
    model, recorded = alphabet(tmp_path / "alphabet"), tmp_path / "recorded.jsonl"
    asked = requests_file(
        tmp_path,
        {"request": COMPLETION, "expect": {"choices": [{"text": "defg"}]}},
        {"request": CHAT, "expect": {"choices": [{"message": {"content": "xyz"}}]}},
    )
    first = blessed_run(
        cli, model, IMAGE, "--requests", asked, "--synthesize", "2", "--deterministic", "--record", recorded
    )
    assert (first["server"], first["server_reason"]) == ("openai", "the image's name says so")
    assert (first["requests"]["sent"], first["requests"]["failed"], first["requests"]["mismatched"]) == (4, 0, 0)
    assert json.loads(recorded.read_text().splitlines()[0])["expect"]["choices"][0]["text"] == "defg"
    again = blessed_run(cli, model, IMAGE, "--requests", recorded, "--offline")
    assert (again["requests"]["sent"], again["requests"]["failed"], again["requests"]["mismatched"]) == (4, 0, 0)


def test_missing_weights_are_told(tmp_path: Path) -> None:
    model = alphabet(tmp_path / "alphabet")
    (model / "model.safetensors").unlink()
    failure = failure_of(model, IMAGE, timeout_s=LOAD_S)
    assert failure.code == "model-load-failed"
    assert "Cannot find any model weights" in failure.message


def test_weights_of_another_shape_are_told(tmp_path: Path) -> None:
    failure = failure_of(alphabet(tmp_path / "alphabet", intermediate_size=96), IMAGE, timeout_s=LOAD_S)
    assert failure.code == "model-load-failed"
    assert "length (96) exceeds dimension size (64)" in failure.message


def test_an_unknown_architecture_is_named(tmp_path: Path) -> None:
    failure = failure_of(alphabet(tmp_path / "alphabet", architectures=["NoSuchForCausalLM"]), IMAGE, timeout_s=LOAD_S)
    assert failure.code == "model-load-failed"
    assert "['NoSuchForCausalLM'] are not supported" in failure.message


def test_a_broken_configuration_is_named(tmp_path: Path) -> None:
    model = alphabet(tmp_path / "alphabet")
    (model / "config.json").write_text('{"architectures": [')
    failure = failure_of(model, IMAGE, timeout_s=LOAD_S)
    assert failure.code == "model-load-failed"
    assert "'/models/alphabet/config.json' is not a valid JSON file" in failure.message


def test_what_the_server_refuses_fails_the_request_in_its_words(tmp_path: Path) -> None:
    to_nobody = {"request": {**COMPLETION, "model": "nobody"}, "status": 404}
    requests = requests_file(tmp_path, to_nobody, {**COMPLETION, "prompt": "a" * 100})
    failure = failure_of(alphabet(tmp_path / "alphabet"), IMAGE, requests=requests, timeout_s=LOAD_S)
    assert failure.code == "request-failed"
    assert "requests.jsonl:2: HTTP 400: This model's maximum context length is 64 tokens" in failure.message


def test_it_is_known_by_its_program_under_any_name(cli: Cli, tmp_path: Path) -> None:
    name = f"ivdocker/team-chat:{uuid.uuid4().hex}"
    subprocess.run(["docker", "tag", IMAGE, name], check=True, timeout=20)
    try:
        done = cli("validate", alphabet(tmp_path / "alphabet"), "--image", name, "--dry-run")
    finally:
        subprocess.run(["docker", "rmi", name], check=True, timeout=20, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert "--model=/models/alphabet --served-model-name=alphabet" in done.stdout


def test_it_stops_at_the_first_signal(tmp_path: Path) -> None:
    signals, code = how_it_stopped(alphabet(tmp_path / "alphabet"), IMAGE, tmp_path / "evidence")
    assert signals == ["15"]
    assert code == "0"
