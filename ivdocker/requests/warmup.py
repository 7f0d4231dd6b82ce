"""Writes a copy of the SavedModel with a warm-up file.

TensorFlow Serving runs the requests of a warm-up file while it loads the model.

The file ``assets.extra/tf_serving_warmup_requests`` is a TFRecord file with at most 1000 PredictionLog messages
(tensorflow_serving/servables/tensorflow/saved_model_warmup_util.h). When one of them fails, the model does not load.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from ivdocker.errors import UsageError
from ivdocker.model_path import ModelPath
from ivdocker.requests.formats import tfrecord
from ivdocker.requests.model import Request
from ivdocker.requests.prediction_log import prediction_log
from ivdocker.requests.send import RequestResult, cached_inputs
from ivdocker.servers.base import ServingBinary
from ivdocker.servers.client import BaseModelServerClient

MAX_RECORDS = 1000
"""The most requests that TensorFlow Serving accepts in a warm-up file."""

FILE = "assets.extra/tf_serving_warmup_requests"
_SAVED_MODEL = ("saved_model.pb", "saved_model.pbtxt")


class Warmup:
    """Collects the requests of a run, and writes the folder when the model is blessed. A context manager."""

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
        """Forget the requests of an earlier attempt. The next requests are sent with this client."""
        self._records.seek(0)
        self._records.truncate()
        self.count, self._problem = 0, None
        self._model_name, self._inputs_lookup = client.model_name, cached_inputs(client)

    def add(self, result: RequestResult) -> None:
        """Add the request when it is a prediction by this model with a correct 2xx response; at most 1000 are added.

        An error status that was wanted does not count, because it would make the model fail to load. A request that
        cannot be a warm-up request says nothing against the model, so ``write`` reports it.
        """
        request = result.request
        is_good = result.failure is None and (request.status or 200) < 300
        is_this_model = request.model_name in (None, self._model_name) and request.version is None
        is_prediction = isinstance(request.body, dict) and not {"inputs", "instances"}.isdisjoint(request.body)
        if is_good and is_this_model and is_prediction and self.count < MAX_RECORDS and not self._problem:
            self._write_record(request)

    def _write_record(self, request: Request) -> None:
        signature = str(request.body.get("signature_name") or request.signature or "")
        inputs = self._inputs_lookup(None, signature or None)
        try:
            log = prediction_log(self._model_name, signature, request.body, inputs)
        except ValueError as error:
            self._problem = f"{request.where} cannot be a warm-up request: {error}"
            return
        tfrecord.write_record(self._records, log)
        self.count += 1

    def write(self) -> str:
        """Write the folder, whole or not at all. Return a text that says what it contains. Raises UsageError."""
        name = str(self.folder)
        problem = self._problem or ("" if self.count else "none of the requests is a prediction by this model")
        if problem:
            raise UsageError(f"the warm-up folder {name!r} was not written: {problem}")
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            with ExitStack() as resources:
                copy = Path(tempfile.mkdtemp(prefix=f".{self.folder.name}-", dir=self.folder.parent))
                resources.callback(shutil.rmtree, copy, ignore_errors=True)
                shutil.copytree(self._saved_model, copy, dirs_exist_ok=True)
                self._write_file(copy / FILE)
                # This works when the folder does not exist or is empty.
                copy.rename(self.folder)
        except OSError as error:
            raise UsageError(f"cannot write the warm-up folder {name!r}: {_reason(error)}") from None
        return f"{self.count} warm-up request{'' if self.count == 1 else 's'} in {self.folder}"

    def _write_file(self, path: Path) -> None:
        # The copy has the modes of the model's folders, which can be read-only.
        path.parent.parent.chmod(path.parent.parent.stat().st_mode | 0o700)
        path.parent.mkdir(exist_ok=True)
        path.parent.chmod(path.parent.stat().st_mode | 0o700)
        path.unlink(missing_ok=True)
        self._records.seek(0)
        with open(path, "wb") as file:
            shutil.copyfileobj(self._records, file)


def warmup(folder: str | os.PathLike[str], model: ModelPath, binaries: Iterable[ServingBinary]) -> Warmup:
    """Return what collects the requests for ``folder``.

    Raises UsageError when the folder cannot be written, or when the model or an image has no warm-up requests. Call it
    before anything is started.
    """
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
    """Return the folder with the SavedModel: the model itself, or its highest version, which is the one served."""
    if model.has(*_SAVED_MODEL):
        return model.path
    versions = [folder for folder in model.folders() if folder.version]
    latest = max(versions, key=lambda folder: int(folder.version or 0), default=model)
    if not latest.has(*_SAVED_MODEL):
        raise UsageError(f"--warmup: no saved_model.pb in {latest.location!r}; give the folder of a SavedModel")
    return latest.path


def _check_folder(folder: Path, saved_model: Path) -> None:
    name = str(folder)
    if folder.exists() and (not folder.is_dir() or folder.is_symlink()):
        raise UsageError(f"--warmup {name!r} is not a folder; name a folder that is empty or does not exist")
    try:
        if folder.is_dir() and any(folder.iterdir()):
            raise UsageError(f"--warmup {name!r} is not empty; name a folder that is empty or does not exist")
    except OSError as error:
        raise UsageError(f"--warmup {name!r} cannot be read: {error.strerror}") from None
    if folder.resolve().is_relative_to(saved_model.resolve()):
        raise UsageError(f"--warmup {name!r} is inside the model that is copied; name a folder outside the model")


def _reason(error: OSError) -> str:
    """Return why it failed. copytree reports all its failures in one error, as (source, target, why)."""
    if isinstance(error, shutil.Error):
        source, _, why = error.args[0][0]
        return f"{source}: {why}"
    return error.strerror or str(error)
