"""Runs TFX's own InfraValidator executor on a model: ``python -m tests.tfx.executor JSON``.

The JSON has the arguments of :func:`run`; ``ours``: whether ivdocker is swapped in; ``repeat``: how many times. Prints
each result as JSON.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import ivdocker.tfx

MODEL_NAME = "half_plus_two"


class Result(dict[str, Any]):
    """``files``: the blessing's. ``raised``: what came out of the executor. ``log``: TFX's log."""


def run(model: str, image: str, tries: int = 1, seconds: int = 60, queries: int = 0, in_thread: bool = False) -> Result:
    """Do one InfraValidator's work on an image. ``queries``: how many requests TFX sends (0: LOAD_ONLY)."""
    import tfx.components.infra_validator.executor  # noqa: F401  (takes 10 s, which are not the run's)

    log: list[str] = []
    raised: list[str] = []
    with tempfile.TemporaryDirectory() as work, _logged(log):
        folder = Path(work)

        def do() -> None:
            try:
                _execute(folder, Path(model), image, tries, seconds, queries)
            except Exception as error:  # noqa: BLE001
                raised.append(f"{type(error).__module__}.{type(error).__name__}: {error}")

        started = time.monotonic()
        if in_thread:
            thread = threading.Thread(target=do)
            thread.start()
            thread.join()
        else:
            do()
        took = round(time.monotonic() - started, 2)
        files = sorted(path.name for path in (folder / "blessing").iterdir())
    return Result(files=files, seconds=took, raised="".join(raised), log=log)


def _execute(folder: Path, model: Path, image: str, tries: int, seconds: int, queries: int) -> None:
    from tfx.components.infra_validator import executor, request_builder
    from tfx.proto import infra_validator_pb2
    from tfx.types import standard_artifacts

    name, _, tag = image.rpartition(":")
    serving = {"tensorflow_serving": {"image_name": name, "tags": [tag]}, "model_name": MODEL_NAME, "local_docker": {}}
    validation = {"num_tries": tries, "max_loading_time_seconds": seconds}
    blessing = _artifact(standard_artifacts.InfraBlessing, folder / "blessing")
    # TFX's Trainer leaves the model there.
    exported = _artifact(standard_artifacts.Model, folder / "model")
    os.symlink(model, folder / "model" / "Format-Serving")
    inputs = {"model": [exported]}
    properties = {
        "serving_spec": _json(infra_validator_pb2.ServingSpec, serving),
        "validation_spec": _json(infra_validator_pb2.ValidationSpec, validation),
    }
    if queries:
        inputs["examples"] = [_artifact(standard_artifacts.Examples, folder / "examples")]
        properties["request_spec"] = _json(infra_validator_pb2.RequestSpec, {"num_examples": queries})
        # The models here have no signatures from which TFX could build requests.
        request_builder.build_requests = lambda **_given: _requests(queries)
    context = executor.Executor.Context(tmp_dir=str(folder / "tmp"), unique_id="1")
    executor.Executor(context).Do(inputs, {"blessing": [blessing]}, properties)


def _artifact(kind: Any, folder: Path) -> Any:
    folder.mkdir()
    made = kind()
    made.uri = str(folder)
    return made


def _json(kind: Any, record: dict[str, Any]) -> str:
    from google.protobuf import json_format

    return json_format.MessageToJson(json_format.ParseDict(record, kind()), preserving_proto_field_name=True)


def _requests(count: int) -> list[Any]:
    """One of each kind, in turn."""
    from tensorflow_serving.apis import classification_pb2, predict_pb2, regression_pb2

    kinds = (predict_pb2.PredictRequest, classification_pb2.ClassificationRequest, regression_pb2.RegressionRequest)
    made = []
    for number in range(count):
        request = kinds[number % len(kinds)]()
        request.model_spec.name = MODEL_NAME
        made.append(request)
    return made


@contextmanager
def _logged(to: list[str]) -> Iterator[None]:
    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            to.append(record.getMessage() + (f": {record.exc_info[1]}" if record.exc_info else ""))

    handler = Handler()
    logging.getLogger().addHandler(handler)
    logging.getLogger("absl").setLevel(logging.INFO)
    yield
    logging.getLogger().removeHandler(handler)


def main() -> None:
    warnings.simplefilter("ignore")
    given = json.loads(sys.argv[1])
    repeat = given.pop("repeat", 1)
    with ivdocker.tfx.use_ivdocker() if given.pop("ours", True) else nullcontext():
        for _ in range(repeat):
            print(json.dumps(run(**given)), flush=True)


if __name__ == "__main__":
    main()
