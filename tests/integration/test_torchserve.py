"""The real TorchServe, on the real engine."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

import ivdocker
from tests.conftest import Cli
from tests.integration.servers import EXAMPLES, blessed_run, failure_of, how_it_stopped, requests_file

IMAGE = "ivdocker/torchserve:0.12.0"
MODELS = EXAMPLES / "torchserve"
REQUEST = {"x": [4.0, 1.0]}

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("server_image")]


def packed(store: Path, without: str = "", old: str = "", new: str = "") -> Path:
    """A model store with the example's archive, without a file of it, or with a change in its code."""
    store.mkdir()
    with zipfile.ZipFile(store / "linear.mar", "w") as archive:
        for path in sorted((MODELS / "linear").rglob("*")):
            name = str(path.relative_to(MODELS / "linear"))
            if path.is_file() and name != without:
                text = path.read_text()
                archive.writestr(name, text.replace(old, new, 1) if name == "handler.py" and old else text)
    return store


def test_the_example_is_blessed_with_right_answers(cli: Cli, tmp_path: Path) -> None:
    run = blessed_run(cli, packed(tmp_path / "store"), IMAGE, "--requests", MODELS / "linear-requests.jsonl")
    assert run["server"] == "torchserve"
    assert (run["requests"]["sent"], run["requests"]["failed"], run["requests"]["mismatched"]) == (2, 0, 0)
    assert {"http", "management", "metrics"} <= set(run["endpoints"])


def test_an_exception_while_loading_is_told_though_ping_stays_healthy(tmp_path: Path) -> None:
    failure = failure_of(packed(tmp_path / "store", without="weights.json"), IMAGE)
    assert failure.code == "model-load-failed"
    assert "archive lacks the file weights.json" in failure.message


def test_a_module_that_the_image_does_not_have_is_named(tmp_path: Path) -> None:
    failure = failure_of(packed(tmp_path / "store", old="import torch", new="import torch\nimport sklearn"), IMAGE)
    assert failure.code == "model-load-failed"
    assert "'sklearn'" in failure.message


def test_an_archive_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "linear.mar").write_text("no archive")
    failure = failure_of(tmp_path, IMAGE)
    assert failure.code in {"model-load-failed", "model-not-found"}
    assert "linear" in failure.message


def test_a_model_that_loads_slowly_is_asked_only_when_it_is_ready(tmp_path: Path) -> None:
    store = packed(
        tmp_path / "store", old="        folder =", new="        __import__('time').sleep(3)\n        folder ="
    )
    report = ivdocker.validate(store, images=[IMAGE], requests=requests_file(tmp_path, REQUEST), timeout_s=60)
    assert report.blessed, report.runs[0].failure


def test_an_exception_while_predicting_fails_the_request(tmp_path: Path) -> None:
    requests = requests_file(tmp_path, REQUEST, {"x": [1.0, 2.0, 3.0]})
    failure = failure_of(packed(tmp_path / "store"), IMAGE, requests=requests)
    assert failure.code == "request-failed"
    assert "requests.jsonl:2: HTTP 503" in failure.message
    assert "Prediction failed" in failure.message


def test_it_stops_at_the_first_signal(tmp_path: Path) -> None:
    signals, code = how_it_stopped(packed(tmp_path / "store"), IMAGE, tmp_path / "evidence")
    assert signals == ["15"]
    assert code in {"0", "143"}, "0 from Java, 143 from the Python program that waits for it"
