"""use_ivdocker() where TFX, or a part of what it brings, is not installed."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import pytest

import ivdocker
import ivdocker.tfx

INSTALLED = ("tfx", "tfx.components", "tfx.components.infra_validator", "grpc")


@pytest.mark.parametrize("missing", ["tfx", "grpc"])
def test_what_is_missing_is_named_in_one_line(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in INSTALLED:
        monkeypatch.setitem(sys.modules, name, None if name.startswith(missing) else _pretended(name))
    for name in ("ivdocker.tfx.errors", "ivdocker.tfx.runner", "ivdocker.tfx.client"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(ivdocker.UsageError, match=f"needs TFX: .*{missing}.*; run: pip install tfx") as caught:
        ivdocker.tfx.use_ivdocker()
    assert "\n" not in str(caught.value)


def _pretended(name: str) -> ModuleType:
    module = ModuleType(name)
    errors = ("DeadlineExceeded", "JobAborted", "ValidationFailed", "GracefulShutdown", "InfraValidationError")
    vars(module)["error_types"] = type("error_types", (), {each: type(each, (Exception,), {}) for each in errors})
    vars(module)["__path__"] = []
    return module


def test_importing_ivdocker_tfx_imports_neither_tfx_nor_grpc_nor_protobuf() -> None:
    """Not even where they are installed."""
    code = (
        "import ivdocker.tfx, sys\nsys.exit(bool({'tfx', 'grpc', 'google', 'tensorflow_serving'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
