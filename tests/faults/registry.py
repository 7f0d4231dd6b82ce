"""A registry that is rough: it feeds an image's layer, or refuses, as it is told."""

from __future__ import annotations

import ctypes
import hashlib
import http.server
import json
import os
import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

Behaviour = Literal["drip", "flood", "stall", "429 as HTML"] | int

_LAYER_BYTES = 10**8
_BLOCK_BYTES = 10**6


class Registry:
    """A registry on loopback that answers as it is told: with an HTTP status; or with a layer of 100 MB, slow
    (``drip``), as fast as it can (``flood``), or with some bytes and then nothing (``stall``).

    ``network``: the path of another network namespace, on whose loopback it listens.
    """

    def __init__(self, behaviour: Behaviour, network: str | None = None) -> None:
        self.dripping = 0
        """How many are fetching the layer at this moment."""
        self._lock = threading.Lock()
        self._closing = threading.Event()
        registry = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                registry.answer(self, behaviour)

            do_GET = do_HEAD  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:
                """Not on our stderr."""

        with ThreadPoolExecutor(1) as elsewhere:
            self._server = elsewhere.submit(_listen, Handler, network).result()
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        # An image that no engine has yet: its layers are not there either.
        self._config = json.dumps({"architecture": "amd64", "os": "linux", "made": secrets.token_hex(8),
                                   "rootfs": {"type": "layers", "diff_ids": [_digest(b"layer")]}}).encode()  # fmt: skip
        self.image = f"127.0.0.1:{self._server.server_port}/ivdocker/tensorflow-serving-faults:1"

    def __enter__(self) -> Registry:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, handler: http.server.BaseHTTPRequestHandler, behaviour: Behaviour) -> None:
        path = handler.path.rstrip("/")
        if path == "/v2":
            _send(handler, 200, b"{}")
        elif behaviour == "429 as HTML":
            _send(handler, 429, b"<html>Too Many Requests</html>", "text/html")
        elif isinstance(behaviour, int):
            codes = {401: "UNAUTHORIZED", 403: "DENIED", 404: "MANIFEST_UNKNOWN", 429: "TOOMANYREQUESTS"}
            error = {"code": codes.get(behaviour, "UNKNOWN"), "message": codes.get(behaviour, "unknown").lower()}
            _send(handler, behaviour, json.dumps({"errors": [error]}).encode())
        elif "/manifests/" in path:
            _send(handler, 200, self._manifest(), "application/vnd.docker.distribution.manifest.v2+json")
        elif path.endswith(_digest(self._config)):
            _send(handler, 200, self._config)
        else:
            self._layer(handler, behaviour)

    def _manifest(self) -> bytes:
        kind = "application/vnd.docker."
        layer = {"mediaType": f"{kind}image.rootfs.diff.tar.gzip", "size": _LAYER_BYTES}
        config = {"mediaType": f"{kind}container.image.v1+json", "size": len(self._config)}
        return json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": f"{kind}distribution.manifest.v2+json",
                "config": {**config, "digest": _digest(self._config)},
                "layers": [{**layer, "digest": _digest(self._config[:-1])}],
            }
        ).encode()

    def _layer(self, handler: http.server.BaseHTTPRequestHandler, behaviour: Behaviour) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(_LAYER_BYTES))
        handler.end_headers()
        with self._lock:
            self.dripping += 1
        try:
            if behaviour == "stall":
                handler.wfile.write(os.urandom(10**6))
                self._closing.wait()
            for _ in range(_LAYER_BYTES // _BLOCK_BYTES if behaviour == "flood" else 0):
                handler.wfile.write(os.urandom(_BLOCK_BYTES))
            while not self._closing.wait(0.1):
                handler.wfile.write(b"x" * 1000)
        except OSError:
            pass
        finally:
            with self._lock:
                self.dripping -= 1


def _listen(handler: type[http.server.BaseHTTPRequestHandler], network: str | None) -> http.server.ThreadingHTTPServer:
    """A thread's sockets are of the network namespace that it has entered."""
    if network:
        namespace = os.open(network, os.O_RDONLY)
        entered = ctypes.CDLL(None, use_errno=True).setns(namespace, 0)
        os.close(namespace)
        if entered != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter {network}")
    return http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)


def _digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _send(
    handler: http.server.BaseHTTPRequestHandler, status: int, body: bytes, kind: str = "application/json"
) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body)))
    handler.send_header("Docker-Content-Digest", _digest(body))
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(body)
