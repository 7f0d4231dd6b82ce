"""A server of no protocol that answers with text, tables, images and events, on the real engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Cli
from tests.integration.servers import requests_file

IMAGE = "ivdocker/base:bookworm"

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("server_image")]

SERVER = '''#!/usr/bin/env python3
"""Answers with the body and the type that the request asks for; GET is the health check."""
import http.server, json, signal, sys

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.reply(b"ok", "text/plain")

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.reply(bytes.fromhex(asked["hex"]), asked["type"])

    def reply(self, body, kind):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

http.server.ThreadingHTTPServer(("", 8080), Handler).serve_forever()
'''


def ask(body: bytes, kind: str, **more: object) -> dict[str, object]:
    return {"request": {"hex": body.hex(), "type": kind}, **more}


LINES = (
    ask(b"a cat\n", "text/plain; charset=utf-8", expect="a cat"),
    ask(b"0.5,cat\n", "text/csv", expect="0.5000001,cat"),
    ask(b"\x89PNG\xff", "image/png", expect={"content_type": "image/png"}),
    ask(b'data: {"n": 1}\n\ndata: [DONE]\n\n', "text/event-stream"),
    ask(b"<html>", "text/html", expect={"content_type": "text/html"}),
)


def run(cli: Cli, folder: Path, requests: Path, *options: str) -> tuple[int, str]:
    model = folder / "echo"
    model.mkdir(exist_ok=True)
    (model / "serve").write_text(SERVER)
    (model / "serve").chmod(0o755)
    started = "--docker-arg=--entrypoint=/models/echo/serve"
    done = cli(
        "validate", model, "--image", IMAGE, "--server=http", started, "--requests", requests, *options, timeout=100
    )
    return done.returncode, done.stderr


def test_every_kind_of_answer_is_compared_and_recorded(cli: Cli, tmp_path: Path) -> None:
    code, said = run(cli, tmp_path, requests_file(tmp_path, *LINES), "--deterministic", "--record=recorded.jsonl")
    assert code == 0, said
    assert "5 of 5 requests answered, 4 compared with an expected answer" in said
    recorded = cli.folder / "recorded.jsonl"
    assert "events" in json.loads(recorded.read_text().splitlines()[3])["expect"]
    code, said = run(cli, tmp_path, recorded)
    assert code == 0, said
    assert "5 compared with an expected answer" in said


@pytest.mark.parametrize(
    ("line", "failure"),
    [
        (ask(b"It works!", "text/html"), "request-failed"),
        (ask(b"Internal Server Error", "text/plain"), "request-failed"),
        (ask(b"a dog", "text/plain", expect="a cat"), "response-mismatch"),
        (ask(b"x", "image/png", expect={"content_type": "image/jpeg"}), "response-mismatch"),
    ],
    ids=["page", "error", "text", "type"],
)
def test_a_wrong_answer_of_any_kind_is_not_blessed(
    cli: Cli, tmp_path: Path, line: dict[str, object], failure: str
) -> None:
    code, said = run(cli, tmp_path, requests_file(tmp_path, line))
    assert code == 1
    assert f"{failure}: " in said
