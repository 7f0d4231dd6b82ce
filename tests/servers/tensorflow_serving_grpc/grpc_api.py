"""The stand-in's gRPC services: ModelService.GetModelStatus, and PredictionService with Predict, Classify and Regress.

They are a second door to what rest_api.py answers. Of a message only the model's name and version are read; an answer
to a request holds the model's name and no output. Messages are encoded by hand: the stand-in has no protobuf.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import grpc

TYPE_CHECKING = False  # importing typing for it would slow each start
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from rest_api import Answer, Models

STATES = {"START": 10, "LOADING": 20, "AVAILABLE": 30, "UNLOADING": 40, "END": 50}
CODES = {400: grpc.StatusCode.INVALID_ARGUMENT, 404: grpc.StatusCode.NOT_FOUND, 503: grpc.StatusCode.UNAVAILABLE}
_servers: list[Any] = []
"""A server that nobody holds ends."""
BODY = b'{"instances": [1.0]}'


def start(address: str, models: Models) -> bool:
    """False when the port is taken."""
    server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
    models_service = {"GetModelStatus": handler(lambda request: status(models, request))}
    verbs = ("Predict", "Classify", "Regress")
    predictions = {verb: handler(lambda request: predict(models, request)) for verb in verbs}
    server.add_generic_rpc_handlers(
        [
            grpc.method_handlers_generic_handler("tensorflow.serving.ModelService", models_service),
            grpc.method_handlers_generic_handler("tensorflow.serving.PredictionService", predictions),
        ]
    )
    try:
        server.add_insecure_port(address)
    except RuntimeError:
        return False
    server.start()
    _servers.append(server)
    return True


def handler(answer: Callable[[bytes], tuple[Answer, bytes]]) -> Any:
    def call(request: bytes, context: grpc.ServicerContext) -> bytes:
        answered, message = answer(request)
        if answered.status != 200:
            context.abort(CODES.get(answered.status, grpc.StatusCode.INTERNAL), json.loads(answered.text)["error"])
        return message

    return grpc.unary_unary_rpc_method_handler(call)


def status(models: Models, request: bytes) -> tuple[Answer, bytes]:
    answered = models.answer("GET", path_of(request), b"")
    versions = json.loads(answered.text).get("model_version_status", []) if answered.status == 200 else []
    return answered, b"".join(field(1, version_status(each)) for each in versions)


def version_status(version: dict[str, Any]) -> bytes:
    error = version["status"]["error_message"].encode()
    return (
        number(1, int(version["version"]))
        + number(2, STATES[version["state"]])
        + field(3, number(1, 2 if error else 0) + field(2, error))
    )


def predict(models: Models, request: bytes) -> tuple[Answer, bytes]:
    answered = models.answer("POST", path_of(request) + ":predict", BODY)
    return answered, field(2, field(1, name_and_version(request)[0].encode()))


def path_of(request: bytes) -> str:
    name, version = name_and_version(request)
    return f"/v1/models/{name}" + (f"/versions/{version}" if version else "")


def name_and_version(request: bytes) -> tuple[str, int]:
    """Of the message's model_spec, which is field 1 in each of these requests."""
    name, version = "", 0
    for number, value in fields(next((value for number, value in fields(request) if number == 1), b"")):
        if number == 1:
            name = bytes(value).decode()
        elif number == 2:
            version = next((int(inner) for key, inner in fields(value) if key == 1), 0)
    return name, version


# Protocol Buffers


def fields(message: Any) -> Iterator[tuple[int, Any]]:
    index = 0
    while index < len(message):
        key, index = varint(message, index)
        if key & 7 == 0:
            value, index = varint(message, index)
        else:
            length, index = varint(message, index) if key & 7 == 2 else ((8, index) if key & 7 == 1 else (4, index))
            value, index = message[index : index + length], index + length
        yield key >> 3, value


def varint(message: bytes, index: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[index]
        value |= (byte & 127) << shift
        index, shift = index + 1, shift + 7
        if byte < 128:
            return value, index


def encoded(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def number(key: int, value: int) -> bytes:
    return encoded(key << 3) + encoded(value)


def field(key: int, value: bytes) -> bytes:
    return encoded(key << 3 | 2) + encoded(len(value)) + value
