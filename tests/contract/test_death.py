"""A server that has died is not blessed, however late it died; one that others have ended is not blamed."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

import ivdocker
from ivdocker import RunOptions
from ivdocker.report.observer import Observer
from ivdocker.requests.send import RequestResult
from tests.conftest import Engine
from tests.contract.conftest import BuildImage

pytestmark = pytest.mark.parametrize("engine", ["docker"], indirect=True)
START = '#!/bin/sh\nexec python3 "$MODEL_PATH/serve.py"\n'
SERVE = """
import os, signal, threading, time
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.reply()
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.reply()
        {after}
    def reply(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{{}}")
        self.wfile.flush()

signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
signal.signal(signal.SIGINT, lambda *_: os._exit(3))
HTTPServer(("", 8080), Handler).serve_forever()
"""


class StopsIt(Observer):
    """Somebody else who sends the container a signal after the first answer."""

    def __init__(self, engine: Engine, *words: str) -> None:
        self._engine, self._words = engine, words

    def outcome(self, image: str, result: RequestResult) -> None:
        del image, result
        if self._words:
            (name,), words, self._words = self._engine.containers(), self._words, ()
            threading.Thread(target=self._engine.docker, args=(*words, name)).start()


@pytest.fixture
def image(image_with: BuildImage) -> str:
    return image_with(START)


def served(folder: Path, after: str = "pass") -> Path:
    (folder / "m").mkdir()
    (folder / "m" / "serve.py").write_text(SERVE.format(after=after))
    return folder / "m"


@pytest.mark.parametrize("graceful", [False, True])
@pytest.mark.parametrize("code", [0, 1, 139])
def test_a_server_that_dies_after_its_last_answer_is_not_blessed(
    image: str, tmp_path: Path, code: int, graceful: bool
) -> None:
    report = ivdocker.validate(
        served(tmp_path, f"os._exit({code})"),
        images=[image],
        server="http",
        requests=[{"x": 1}],
        options=RunOptions(graceful_stop=graceful),
    )
    assert report.verdict == "not_blessed"
    assert report.runs[0].failure is not None
    assert report.runs[0].failure.code == "container-exited"
    assert report.runs[0].failure.exit_code == code


def test_a_server_that_lives_until_it_is_stopped_is_blessed(image: str, tmp_path: Path) -> None:
    assert ivdocker.validate(served(tmp_path), images=[image], server="http", requests=[{"x": 1}]).blessed


@pytest.mark.parametrize("words", [("stop",), ("kill", "--signal=INT"), ("rm", "--force")])
def test_a_server_that_somebody_ends_between_two_requests_gets_no_verdict(
    engine: Engine, image: str, tmp_path: Path, words: tuple[str, ...]
) -> None:
    report = ivdocker.validate(
        served(tmp_path, "time.sleep(0.2)"),
        images=[image],
        server="http",
        requests=[{"x": number} for number in range(20)],
        observer=StopsIt(engine, *words),
    )
    assert report.verdict == "no_verdict"
    assert report.runs[0].failure is not None
    assert "somebody else" in report.runs[0].failure.message
    assert engine.containers() == []
