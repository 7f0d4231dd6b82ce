"""The stand-in's ports: HTTP around what rest_api.py answers, and as much of gRPC as shows that it is there."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time

from console import SERVING, fail_start, log, wait_for_ever

TYPE_CHECKING = False  # importing typing for it would slow each start
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    from rest_api import Models

REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 500: "Internal Server Error", 503: "Service Unavailable"}
GRPC = "/opt/grpc"
"""Where the image with gRPC services has them (tests/servers/tensorflow_serving_grpc)."""
HTTP2_EMPTY_SETTINGS = b"\0\0\0\4\0\0\0\0\0"


# HTTP


def read_request(connection: socket.socket, buffer: bytes) -> tuple[str, str, str, dict[str, str], bytes, bytes] | None:
    """Method, path, HTTP version, headers, body and what came after it; None when the client is done."""
    while b"\r\n\r\n" not in buffer:
        received = connection.recv(65536)
        if not received:
            return None
        buffer += received
    head, _, buffer = buffer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, version = first.split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = int(headers.get("content-length", 0))
    if headers.get("expect", "").lower() == "100-continue":
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    chunks = [buffer]
    missing = length - len(buffer)
    while missing > 0:
        received = connection.recv(65536)
        if not received:
            return None
        chunks.append(received)
        missing -= len(received)
    buffer = b"".join(chunks)
    return method, path, version, headers, buffer[:length], buffer[length:]


def unpack(headers: dict[str, str], body: bytes) -> bytes:
    if headers.get("content-encoding", "").lower() != "gzip":
        return body
    import zlib

    try:
        return zlib.decompress(body, wbits=31)
    except zlib.error:
        return b""


def send_answer(connection: socket.socket, head: str, body: bytes, faults: dict[str, Any]) -> bool:
    """Sends as the faults demand; False when the connection is to be closed."""
    answer = head.encode("latin-1") + body
    if faults.get("close_halfway"):
        connection.sendall(answer[: len(answer) - (len(body) + 1) // 2])
        return False
    if faults.get("drip_requests"):
        for index in range(len(answer)):
            connection.sendall(answer[index : index + 1])
            time.sleep(1)
        return True
    connection.sendall(answer)
    return True


def send_padding(connection: socket.socket, length: int) -> None:
    """length bytes that end the JSON object that was begun, never held in memory at once."""
    block = b" " * 65536
    left = length - 1
    while left > 0:
        left -= connection.send(block[:left])
    connection.sendall(b"}")


def serve_connection(connection: socket.socket, models: Models) -> None:
    buffer = b""
    keep = True
    try:
        while keep:
            request = read_request(connection, buffer)
            if request is None:
                break
            method, path, version, headers, body, buffer = request
            answer = models.answer(method, path, unpack(headers, body))
            payload = answer.text.encode()
            padding = 0
            if "answer_bytes" in answer.faults:
                payload = b'{ "predictions": [2.5, 3.0, 4.5]'
                padding = max(answer.faults["answer_bytes"] - len(payload), 1)
            wish = headers.get("connection", "").lower()
            keep = wish == "keep-alive" or (version == "HTTP/1.1" and wish != "close")
            head = (
                f"HTTP/1.1 {answer.status} {REASONS.get(answer.status, 'Error')}\r\nContent-Type: {answer.kind}\r\n"
                f"Content-Length: {len(payload) + padding}\r\n"
                f"Connection: {'keep-alive' if keep else 'close'}\r\n\r\n"
            )
            keep = send_answer(connection, head, payload, answer.faults) and keep
            if padding:
                send_padding(connection, padding)
    except (OSError, ValueError):
        pass
    finally:
        connection.close()


def serve_grpc_connection(connection: socket.socket) -> None:
    try:
        connection.sendall(HTTP2_EMPTY_SETTINGS)
        while connection.recv(65536):
            pass
    except OSError:
        pass
    finally:
        connection.close()


# Ports


def listen(port: int, host: str | None) -> socket.socket:
    if host is None:
        try:
            return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=128)
        except OSError:
            host = "0.0.0.0"  # a kernel without IPv6; a port that is taken fails here again
    return socket.create_server((host, port), backlog=128)


def accept_for_ever(server: socket.socket, handle: Callable[..., None], *arguments: object) -> NoReturn:
    while True:
        connection, _ = server.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=handle, args=(connection, *arguments), daemon=True).start()


def start_grpc(flags: dict[str, Any], models: Models) -> None:
    start = start_real_grpc if os.path.isdir(GRPC) else start_silent_grpc
    if not start(flags["port"], models):
        fail_start(f"UNKNOWN: Failed to BuildAndStart gRPC server on 0.0.0.0:{flags['port']}")
    log("I", SERVING + "model_servers/server.cc:423", f"Running gRPC ModelServer at 0.0.0.0:{flags['port']} ...")


def start_real_grpc(port: int, models: Models) -> bool:
    sys.path += [GRPC, f"{GRPC}/site"]
    import grpc_api

    host = models.faults.get("listen_host", "[::]")
    return bool(grpc_api.start(f"{host}:{port}", models))


def start_silent_grpc(port: int, models: Models) -> bool:
    try:
        server = listen(port, models.faults.get("listen_host"))
    except OSError:
        return False
    threading.Thread(target=accept_for_ever, args=(server, serve_grpc_connection), daemon=True).start()
    return True


def serve_rest(flags: dict[str, Any], models: Models) -> None:
    port, faults = flags["rest_api_port"], models.faults
    try:
        if faults.get("rest_port_taken"):
            raise OSError
        server = listen(port, faults.get("listen_host"))
    except OSError:
        log("E", SERVING + "util/net_http/server/internal/evhttp_server.cc:229", f"Couldn't bind to port {port}")
        log("E", SERVING + "model_servers/server.cc:450", f"Failed to start HTTP Server at localhost:{port}")
        return
    log("I", SERVING + "model_servers/server.cc:444", f"Exporting HTTP/REST API at:localhost:{port} ...")
    log("I", SERVING + "util/net_http/server/internal/evhttp_server.cc:245", "NET_LOG: Entering the event loop ...")
    if faults.get("listen_first_hang"):
        accept_for_ever(server, hold)
    accept_for_ever(server, serve_connection, models)


def hold(connection: socket.socket) -> None:
    with connection:
        wait_for_ever()
