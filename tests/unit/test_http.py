"""HTTP against servers that misbehave: every exchange ends by its deadline with a kind that says what happened."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from ivdocker import http
from ivdocker.clock import Deadline
from ivdocker.http import HttpError, Response
from tests.unit.loopback import free_port, model_server, read_request, talking


def get(port: int, seconds: float = 5.0) -> Response:
    return http.request("GET", ("127.0.0.1", port), "/v1", deadline=Deadline.after(seconds))


def failing(port: int, seconds: float = 5.0) -> HttpError:
    with pytest.raises(HttpError) as caught:
        get(port, seconds)
    assert "\n" not in str(caught.value)
    return caught.value


class Replying:
    """Reads a request and sends these bytes; then closes, or holds the connection open."""

    def __init__(self, reply: bytes, hold: bool = False) -> None:
        self.reply, self.hold = reply, hold
        self.requests: list[bytes] = []

    def __call__(self, connection: socket.socket, over: threading.Event) -> None:
        self.requests.append(read_request(connection))
        connection.sendall(self.reply)
        if self.hold:
            over.wait(10)
        connection.close()


def answered(reply: bytes, hold: bool = False) -> Response:
    with talking(Replying(reply, hold)) as port:
        return get(port)


def failed(reply: bytes, hold: bool = False, seconds: float = 5.0) -> HttpError:
    with talking(Replying(reply, hold)) as port:
        return failing(port, seconds)


@pytest.mark.parametrize("interim", [b"100 Continue", b"102 Processing", b"103 Early Hints\r\nLink: </x>; rel=preload"])
def test_an_interim_answer_is_not_the_answer(interim: bytes) -> None:
    got = answered(b"HTTP/1.1 " + interim + b"\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    assert (got.status, got.body) == (200, b"{}")


def test_an_answer_is_status_and_whole_body() -> None:
    with model_server() as server:
        server.on("GET /v1", {"state": "ü"})
        answer = get(server.port)
    assert (answer.status, answer.json()) == (200, {"state": "ü"})
    assert 0 < answer.seconds < 5


def test_an_error_status_is_an_answer_too() -> None:
    answer = answered(b"HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nno")
    assert (answer.status, answer.text) == (503, "no")


def test_a_body_is_posted_as_json_and_the_connection_is_closed_after_it() -> None:
    talk = Replying(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    with talking(talk) as port:
        headers = {"Content-Type": "application/json"}
        http.request("POST", ("127.0.0.1", port), "/p", deadline=Deadline.after(5), body=b"{}", headers=headers)
    head = talk.requests[0].lower()
    assert head.startswith(b"post /p http/1.1\r\n")
    assert b"content-type: application/json" in head
    assert b"connection: close" in head


def test_a_port_on_which_nobody_listens_refuses() -> None:
    assert failing(free_port()).kind == "refused"


def test_a_host_name_that_does_not_exist_is_refused() -> None:
    with pytest.raises(HttpError) as caught:
        http.request("GET", ("host.invalid", 1), "/", deadline=Deadline.after(5))
    assert caught.value.kind == "refused"


def test_a_server_that_resets_the_connection_is_told() -> None:
    def reset(connection: socket.socket, _over: threading.Event) -> None:
        read_request(connection)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()

    with talking(reset) as port:
        assert failing(port).kind == "reset"


def test_a_server_that_closes_without_a_word_is_told() -> None:
    assert failed(b"").kind == "reset"


def test_a_server_that_accepts_and_never_answers_costs_the_deadline_and_no_more() -> None:
    started = time.monotonic()
    error = failed(b"", hold=True, seconds=0.1)
    assert error.kind == "timeout"
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("reply", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"], ids=["head", "body"])
def test_a_server_that_drips_does_not_move_the_deadline(reply: bytes) -> None:
    """A byte comes every 20 ms: no single wait is long, and the whole would last for ever."""

    def drip(connection: socket.socket, over: threading.Event) -> None:
        read_request(connection)
        connection.sendall(reply)
        while not over.wait(0.02):
            connection.sendall(b"x")

    started = time.monotonic()
    with talking(drip) as port:
        assert failing(port, 0.3).kind == "timeout"
        assert 0.25 < time.monotonic() - started < 2


def test_a_deadline_that_is_over_is_a_timeout_at_once() -> None:
    with talking(Replying(b"", hold=True)) as port:
        assert failing(port, 0).kind == "timeout"


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n" + b"x" * 101,
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        + (b"32\r\n" + b"x" * 50 + b"\r\n") * 10
        + b"0\r\n\r\n",
    ],
    ids=["with its length", "to its end", "chunked"],
)
def test_a_body_larger_than_the_bound_is_not_read(monkeypatch: pytest.MonkeyPatch, reply: bytes) -> None:
    monkeypatch.setattr(http, "BODY_LIMIT", 100)
    assert failed(reply).kind == "too-large"


def test_a_body_of_just_the_bound_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "BODY_LIMIT", 100)
    assert len(answered(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b"x" * 100).body) == 100


def test_a_server_without_an_end_is_not_read_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "BODY_LIMIT", 1000)

    def pour(connection: socket.socket, over: threading.Event) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not over.is_set():
            connection.sendall(b"x" * 4096)

    with talking(pour) as port:
        assert failing(port).kind == "too-large"


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhalf",
    ],
    ids=["length", "chunked", "chunk size"],
)
def test_a_server_that_closes_half_way_gave_no_answer(reply: bytes) -> None:
    assert failed(reply).kind == "reset"


@pytest.mark.parametrize(
    "reply",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x00 and whatever comes then",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 " + b"x" * 100_000 + b"\r\n\r\n",
        b"\xff" * 10 + b"\r\n",
    ],
    ids=["ssh", "zero", "version", "status", "headers", "long line", "bytes"],
)
def test_a_server_that_does_not_speak_http_is_told(reply: bytes) -> None:
    assert failed(reply).kind == "protocol"


def test_a_chunked_body_is_put_together() -> None:
    reply = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
    assert answered(reply).text == "hello world"


def test_a_server_that_keeps_the_connection_open_is_not_waited_for() -> None:
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok"
    assert answered(reply, hold=True).text == "ok"


def test_a_body_without_its_length_ends_with_the_connection() -> None:
    assert answered(b"HTTP/1.0 200 OK\r\n\r\nto the end").text == "to the end"


def test_nan_and_infinity_in_json_are_read_as_the_model_servers_write_them() -> None:
    found = Response(200, b'{"predictions": [NaN, -Infinity, Infinity]}', 0).json()["predictions"]
    assert [str(value) for value in found] == ["nan", "-inf", "inf"]


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff\xff", b"{", b"\x00"])
def test_a_body_that_is_no_json_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Response(200, body, 0).json()


def test_a_body_nested_without_end_is_a_value_error() -> None:
    """Whoever asks for JSON is prepared for a ValueError alone."""
    with pytest.raises(ValueError, match=r".+"):
        Response(200, b"[" * 100_000, 0).json()


def test_bytes_that_are_no_text_are_shown_all_the_same() -> None:
    assert Response(200, b"caf\xff", 0).text == "caf�"


SETTINGS = b"\0\0\6\4\0\0\0\0\0\0\5\0\0@\0"
GOAWAY = b"\0\0\x08\7\0\0\0\0\0" + bytes(8)


@pytest.mark.parametrize("hold", [True, False])
@pytest.mark.parametrize("reply", [SETTINGS, SETTINGS[:9], GOAWAY, SETTINGS + GOAWAY])
def test_a_server_that_answers_in_http2_is_told_at_once(reply: bytes, hold: bool) -> None:
    """Whether it then waits for more, as gRPC does, or not."""
    started = time.monotonic()
    assert failed(reply, hold, seconds=30).kind == "http2"
    assert time.monotonic() - started < 15


def test_a_server_that_greets_in_http2_before_it_is_asked_is_told_at_once() -> None:
    def greet(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(SETTINGS[:4])
        connection.sendall(SETTINGS[4:])
        over.wait(10)

    with talking(greet) as port, pytest.raises(HttpError) as caught:
        http.probe(("127.0.0.1", port), "/", deadline=Deadline.after(30))
    assert caught.value.kind == "http2"
    assert f"127.0.0.1:{port} speaks HTTP/2" in str(caught.value)


def http2_alone(connection: socket.socket, over: threading.Event) -> None:
    """Says nothing to any other greeting."""
    if connection.recv(65536).startswith(b"PRI * HTTP/2.0"):
        connection.sendall(SETTINGS)
        over.wait(10)
    connection.close()


def test_a_server_that_says_something_in_http2_alone_is_found_out() -> None:
    with talking(http2_alone) as port:
        assert failing(port).kind == "reset"
        assert http.speaks_http2(("127.0.0.1", port), deadline=Deadline.after(5))


@pytest.mark.parametrize("reply", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0"])
def test_a_server_of_another_kind_does_not_speak_http2(reply: bytes) -> None:
    with talking(Replying(reply)) as port:
        assert not http.speaks_http2(("127.0.0.1", port), deadline=Deadline.after(5))
    assert not http.speaks_http2(("127.0.0.1", free_port()), deadline=Deadline.after(5))
