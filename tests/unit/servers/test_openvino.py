"""OpenVINO Model Server: how it is run."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivdocker.model_path import ModelPath
from tests.unit.servers.helpers import mounted, params, put


@pytest.mark.parametrize(
    ("files", "given", "target"),
    [(["1/m.xml"], "", "/models/m"), (["m.xml"], "", "/models/m/1"), (["3/m.xml"], "3", "/models/m/3")],
)
def test_openvino_sees_versions_whatever_folder_is_given(
    tmp_path: Path, files: list[str], given: str, target: str
) -> None:
    put(tmp_path / "m", dict.fromkeys(files, ""))
    found = params("openvino", ModelPath(str(tmp_path / "m" / given).rstrip("/")))
    assert list(mounted(found).values()) == [target]
    assert {"--model_name=m", "--model_path=/models/m", "--rest_port=8000"} <= set(found["command"])
