"""The stand-in's only model, half_plus_two, in the JSON of TensorFlow Serving's REST API; knows no paths."""

from __future__ import annotations

import os
import threading
import time

from console import wait_for_ever

TYPE_CHECKING = False  # importing typing for it would slow each start
if TYPE_CHECKING:
    from typing import Any

ERROR_CODES = {"INVALID_ARGUMENT": 400, "NOT_FOUND": 404}
JSON, HTML = "application/json", "text/html"


class ApiError(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.status = ERROR_CODES[code]


def invalid(message: str) -> ApiError:
    return ApiError("INVALID_ARGUMENT", message)


def dumps(value: object) -> str:
    import json

    return json.dumps(value)


def error_body(message: str) -> str:
    return f'{{ "error": {dumps(message)} }}'


def parse_json(body: bytes) -> Any:
    import json

    text = body.decode("utf-8", "replace").lstrip()
    if not text:
        raise invalid("JSON Parse error: The document is empty at offset: 0")
    try:
        return json.JSONDecoder().raw_decode(text)[0]  # what follows the value is ignored, as the original does
    except (json.JSONDecodeError, RecursionError) as error:
        raise invalid(f"JSON Parse error: Invalid value. at offset: {getattr(error, 'pos', 0)}") from None


def shape_of(value: object) -> list[int]:
    """The shape of nested lists of numbers; raises ApiError for ragged lists and other types."""
    if isinstance(value, list):
        shapes = [shape_of(item) for item in value]
        for shape in shapes:
            if shape != shapes[0]:
                raise invalid(f"Encountered list at unexpected size: {shape[0] if shape else 0} expected: {shapes[0]}")
        return [len(value), *(shapes[0] if shapes else [])]
    if isinstance(value, bool) or not isinstance(value, int | float):
        kinds = {str: "String", bool: "Bool", dict: "Object"}
        kind = kinds.get(type(value), "Null")
        raise invalid(f"JSON Value: {dumps(value)} Type: {kind} is not of expected type: float")
    return []


def row_input(instances: Any) -> Any:
    if not isinstance(instances, list) or not instances:
        raise invalid("Request 'instances' must be a list with at least one element")
    if not isinstance(instances[0], dict):
        return instances
    for index, item in enumerate(instances):
        where = f"Failed to process element: {index} of 'instances' list. Error: INVALID_ARGUMENT: JSON object: "
        if not isinstance(item, dict):
            raise invalid(where + "is not an object, as the first element is")
        for key in item:
            if key != "x":
                raise invalid(f"{where}does not have named input: {key}")
        if "x" not in item:
            raise invalid(where + "keys must be equal to: x")
    return [item["x"] for item in instances]


def column_input(inputs: Any) -> Any:
    if not isinstance(inputs, dict):
        return inputs
    if "x" not in inputs:
        raise invalid("Missing named input: x in 'inputs' object.")
    return inputs["x"]


def read_input(request: Any) -> tuple[str, list[float]]:
    """The key of the answer and the values of x."""
    if not isinstance(request, dict):
        raise invalid("JSON Value: top level is not an object")
    signature = request.get("signature_name") or "serving_default"
    if signature != "serving_default":
        raise invalid(f'Serving signature name: "{signature}" not found in signature def')
    if ("instances" in request) == ("inputs" in request):
        raise invalid("Missing 'inputs' or 'instances' key")
    row = "instances" in request
    values = row_input(request["instances"]) if row else column_input(request["inputs"])
    shape = shape_of(values)
    if len(shape) != 1:
        raise invalid(f"Cannot feed value of shape {shape} for Tensor 'x:0', which has shape [?]")
    return ("predictions" if row else "outputs"), values


class Servable:
    """One version of a model, with the faults that its version folder asks for."""

    def __init__(self, name: str, version: int, faults: dict[str, Any]) -> None:
        self.name, self.version, self.faults = name, version, faults
        self.is_decided = False
        """It was loaded, or has failed to."""
        self.failure = ""
        self.predictions = 0
        self.lock = threading.Lock()

    @property
    def state(self) -> str:
        if not self.is_decided:
            return "LOADING"
        return "END" if self.failure else str(self.faults.get("state", "AVAILABLE"))

    def status(self) -> str:
        """Its part of the model's status."""
        error = (self.failure or self.faults.get("error", "")) if self.state == "END" else ""
        code = "UNKNOWN" if error else "OK"
        quoted = dumps(error) if error else '""'
        return (
            "  {\n"
            f'   "version": "{self.version}",\n   "state": "{self.state}",\n'
            f'   "status": {{\n    "error_code": "{code}",\n    "error_message": {quoted}\n   }}\n'
            "  }\n"
        )

    def metadata(self) -> str:
        def tensor(tensor_name: str, dtype: str = "DT_FLOAT") -> dict[str, object]:
            shape = {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False}
            return {"dtype": dtype, "tensor_shape": shape, "name": f"{tensor_name}:0"}

        method = "tensorflow/serving/predict"
        told = self.faults.get("inputs", {"x": "DT_FLOAT"})
        inputs = {input_name: tensor(input_name, dtype) for input_name, dtype in told.items()}
        default = {"inputs": inputs, "outputs": {"y": tensor("y")}, "method_name": method}
        spec = {"name": self.name, "signature_name": "", "version": str(self.version)}
        signatures = {"signature_def": {"signature_def": {"serving_default": default}}}
        return dumps({"model_spec": spec, "metadata": signatures}) + "\n"

    def predict(self, body: bytes) -> tuple[int, str, str]:
        """HTTP status, content type, body."""
        with self.lock:
            self.predictions += 1
            number = self.predictions
        faults = self.faults
        for line in faults.get("log_of_request", ()):
            os.write(2, f"{line} (request {number})\n".encode())
        if number > faults.get("exit_after_requests", number):
            os._exit(faults.get("exit_code", 1))
        if faults.get("hang_requests"):
            wait_for_ever()
        time.sleep(faults.get("request_seconds", 0))
        if "http_status" in faults:
            return faults["http_status"], JSON, error_body(faults.get("error", "scripted by the stand-in"))
        if faults.get("error_in_200"):
            return 200, JSON, error_body(faults.get("error", "scripted by the stand-in"))
        if faults.get("html"):
            return 200, HTML, "<html><body>It works!</body></html>"
        request = parse_json(body)
        key, values = read_input(request)
        offset = 2 + faults.get("add", 0) + (number % 2 == 0 if faults.get("flaky") else 0)
        answers = [float("nan") if faults.get("nan") else 0.5 * value + offset for value in values]
        answers = answers[: len(answers) - faults.get("drop", 0)]
        return 200, JSON, f'{{\n    "{key}": {dumps(answers)}\n}}'
