"""BentoML: how it is run and which inputs it tells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ivdocker.servers.client import Tensor
from tests.unit.loopback import model_server
from tests.unit.servers.helpers import client_of, made_up, mounted, params, put

SCHEMA = {
    "routes": [
        {
            "name": "classify",
            "route": "/classify",
            "batchable": True,
            "input": {
                "type": "object",
                "properties": {
                    "rows": {
                        "type": "array",
                        "items": {"type": "array", "minItems": 2, "maxItems": 2, "items": {"type": "number"}},
                    },
                    "label": {"type": "string"},
                    "limit": {"type": "integer", "default": 5},
                },
            },
        },
        {
            "name": "list",
            "route": "/list",
            "input": {"properties": {"x": {"type": "array", "items": {"type": "number"}}}},
        },
        {"name": "raw", "route": "/raw", "input": {"properties": {"x": {"type": "tensor", "format": "numpy-array"}}}},
        {
            "name": "t",
            "route": "/t",
            "input": {"properties": {"x": {"type": "tensor", "dtype": "int32", "shape": [2]}}},
        },
    ]
}


@pytest.mark.parametrize(
    ("file", "target", "environment"),
    [
        ("bento.yaml", "/home/bentoml/bento", {"BENTO_PATH": "/home/bentoml/bento"}),
        ("bentofile.yaml", "/models/m", {"BENTO_PATH": "/models/m"}),
        ("service.py", "/models/m", {"BENTO_PATH": "/models/m"}),
        ("weights.bin", "/models/m", {}),
    ],
)
def test_bentoml_serves_the_bento_or_its_source(
    tmp_path: Path, file: str, target: str, environment: dict[str, str]
) -> None:
    found = params("bentoml", put(tmp_path / "m", {file: ""}))
    assert (mounted(found), found["environment"]) == ({str(tmp_path / "m"): target}, environment)


def test_bentoml_tells_its_apis_and_their_arguments() -> None:
    with model_server() as server:
        server.on("GET /schema.json", SCHEMA)
        client = client_of("bentoml", server)
        assert client.predict_path() == "/classify"
        assert client.inputs() == [Tensor("rows", "FP64", (-1, 2)), Tensor("label", "BYTES", ())]
        assert client.inputs("raw") == []
        assert client.inputs("list") == []
        assert client.inputs("t") == [Tensor("x", "INT32", (2,))]
        made = made_up(client)
        assert set(made) == {"rows", "label"}
        assert (type(made["rows"][0][0]), type(made["label"])) == (float, str)


@pytest.mark.parametrize("schema", [b"<html>", [], {}, {"routes": 5}, {"routes": [1]}, {"routes": [{"route": "/x"}]}])
def test_a_schema_that_tells_nothing_gives_no_inputs(schema: Any) -> None:
    with model_server() as server:
        server.on("GET /schema.json", schema)
        assert client_of("bentoml", server).inputs() == []
