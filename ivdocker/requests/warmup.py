"""TensorFlow Serving's warm-up file: a copy of the SavedModel that asks itself these requests while it loads.

``assets.extra/tf_serving_warmup_requests`` is a TFRecord file of PredictionLog messages, at most 1000 of them
(tensorflow_serving/servables/tensorflow/saved_model_warmup_util.h). A record that fails keeps the model from loading.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ivdocker.errors import UsageError
from ivdocker.model_path import ModelPath
from ivdocker.requests.formats import tfrecord
from ivdocker.requests.model import Request
from ivdocker.requests.prediction_log import prediction_log
from ivdocker.requests.send import RequestResult, cached_inputs
from ivdocker.servers.base import ServingBinary
from ivdocker.servers.client import BaseModelServerClient

MAX_RECORDS = 1000
FILE = "assets.extra/tf_serving_warmup_requests"
_SAVED_MODEL = ("saved_model.pb", "saved_model.pbtxt")


class Warmup:
    """Takes down what is asked, and once that is blessed, writes the folder. A context manager."""

    def __init__(self, folder: Path, saved_model: Path) -> None:
        self.folder = folder
        self.count = 0
        self._saved_model = saved_model
        self._problem: str | None = None
        self._resources = ExitStack()

    def __enter__(self) -> Warmup:
        self._records = self._resources.enter_context(tempfile.TemporaryFile())
        return self

    def __exit__(self, *_error: object) -> None:
        self._resources.close()

    def begin(self, client: BaseModelServerClient) -> None:
        """Forget what was added; what comes is answered by this client's model."""
        self._records.seek(0)
        self._records.truncate()
        self.count, self._problem = 0, None
        self._model_name, self._inputs_lookup = client.model_name, cached_inputs(client)

    def add(self, result: RequestResult) -> None:
        """Take it down, if it is one of the first 1000 predictions by this model that were answered rightly, with 2xx:
        an error that was expected would fail the loading. What cannot be taken down is told by ``write``, for it says
        nothing against the model."""
        request = result.request
        is_good = result.failure is None and (request.status or 200) < 300
        is_ours = request.model_name in (None, self._model_name) and request.version is None
        is_prediction = isinstance(request.body, dict) and not {"inputs", "instances"}.isdisjoint(request.body)
        if is_good and is_ours and is_prediction and self.count < MAX_RECORDS and not self._problem:
            self._write_record(request)

    def _write_record(self, request: Request) -> None:
        signature = str(request.body.get("signature_name") or request.signature or "")
        try:
            log = prediction_log(
                self._model_name, signature, request.body, self._inputs_lookup(None, signature or None)
            )
        except ValueError as error:
            self._problem = f"{request.where} is no warm-up request: {error}"
            return
        tfrecord.write_record(self._records, log)
        self.count += 1

    def write(self) -> str:
        """Make the folder, wholly or not at all; returns what it now holds. Raises UsageError."""
        problem = self._problem or ("" if self.count else "none of the requests is a prediction by this model")
        if problem:
            raise UsageError(f"no warm-up folder {str(self.folder)!r}: {problem}")
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            with ExitStack() as owned:
                made = Path(tempfile.mkdtemp(prefix=f".{self.folder.name}-", dir=self.folder.parent))
                owned.callback(shutil.rmtree, made, ignore_errors=True)
                shutil.copytree(self._saved_model, made, dirs_exist_ok=True)
                self._write_file(made / FILE)
                # Onto none, or onto an empty folder.
                made.rename(self.folder)
        except OSError as error:
            raise UsageError(f"cannot write the warm-up folder {str(self.folder)!r}: {_reason(error)}") from None
        return f"{self.count} warm-up requests in {self.folder}"

    def _write_file(self, path: Path) -> None:
        # A model that is read-only gave its folders' modes to the copy.
        path.parent.parent.chmod(path.parent.parent.stat().st_mode | 0o700)
        path.parent.mkdir(exist_ok=True)
        path.parent.chmod(path.parent.stat().st_mode | 0o700)
        path.unlink(missing_ok=True)
        self._records.seek(0)
        with open(path, "wb") as file:
            shutil.copyfileobj(self._records, file)


def warmup(folder: str | os.PathLike[str], model: ModelPath, binaries: Iterable[ServingBinary]) -> Warmup:
    """Raises UsageError where there can be none: see it before anything starts."""
    for binary in binaries:
        if binary.kind != "tensorflow-serving":
            raise UsageError(
                f"--warmup: {binary.image} is {binary.kind}; only TensorFlow Serving reads warm-up requests"
            )
    if model.is_uri:
        raise UsageError(f"--warmup: {model.location} is not on this machine; copy it here first")
    saved_model = _saved_model(model)
    path = Path(os.path.abspath(folder))
    _check_folder(path, saved_model)
    return Warmup(path, saved_model)


def _saved_model(model: ModelPath) -> Path:
    """The folder itself, or of a folder of versions the one that TensorFlow Serving serves: the highest."""
    if model.has(*_SAVED_MODEL):
        return model.path
    versions = [folder for folder in model.folders() if folder.version]
    latest = max(versions, key=lambda folder: int(folder.version or 0), default=model)
    if not latest.has(*_SAVED_MODEL):
        raise UsageError(f"--warmup: no saved_model.pb in {latest.location!r}; there is nothing to copy")
    return latest.path


def _check_folder(folder: Path, saved_model: Path) -> None:
    name = str(folder)
    if folder.exists() and (not folder.is_dir() or folder.is_symlink()):
        raise UsageError(f"--warmup {name!r} is no directory; name one that is empty or not there yet")
    try:
        if folder.is_dir() and any(folder.iterdir()):
            raise UsageError(f"--warmup {name!r} is not empty; name a directory that is empty or not there yet")
    except OSError as error:
        raise UsageError(f"--warmup {name!r} cannot be read: {error.strerror}") from None
    if folder.resolve().is_relative_to(saved_model.resolve()):
        raise UsageError(f"--warmup {name!r} lies in the model that it is to be a copy of; name one beside it")


def _reason(error: OSError) -> Any:
    """copytree gathers what failed: (source, target, why)."""
    if isinstance(error, shutil.Error):
        source, _, why = error.args[0][0]
        return f"{source}: {why}"
    return error.strerror or error
