"""What holds for every server that the registry lists."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ivdocker.servers import registry
from tests.unit.loopback import free_port, model_server
from tests.unit.servers.helpers import NOT_READY, client_of, look, mounted, params, put

ONE_ANSWER_KINDS = [kind for kind in registry.KINDS if kind not in ("tensorflow-serving", "triton")]


@pytest.mark.parametrize("row", registry.SERVERS, ids=lambda row: row.kind)
def test_a_row_of_the_registry_and_its_class_agree(row: registry.ServerEntry) -> None:
    assert row.binary.kind == row.kind
    assert row.binary("team/server:1").container_port in row.binary("team/server:1").ports.values()
    assert "http" in row.binary("team/server:1").ports


@pytest.mark.parametrize("kind", registry.KINDS)
def test_a_server_that_refuses_is_not_ready_and_says_so(kind: str) -> None:
    found = look(registry.by_kind(kind).binary("team/server:1", "m").MakeClient(f"127.0.0.1:{free_port()}"))
    assert found.state is NOT_READY
    assert "refused" in found.detail


@pytest.mark.parametrize("kind", registry.KINDS)
@pytest.mark.parametrize("body", [b"<html>502</html>", b"", b"null", b"[" * 50_000, b"\xff", b"[1]", b'{"a": 1}'])
def test_a_server_that_answers_nonsense_is_never_ready_and_no_crash(kind: str, body: bytes) -> None:
    with model_server() as server:
        server.otherwise = (502, body)
        client = client_of(kind, server)
        states = [look(client) for _ in range(3)]
        assert {each.state for each in states} == {NOT_READY}
        assert all("\n" not in each.detail and each.detail for each in states)
        assert client.inputs() == []


@pytest.mark.parametrize("kind", ONE_ANSWER_KINDS)
def test_a_folder_is_mounted_in_place_and_read_only(kind: str, tmp_path: Path) -> None:
    model = put(tmp_path / "m", {"weights.bin": "", "m.mar": "", "bento.yaml": ""})
    assert str(tmp_path / "m") in mounted(params(kind, model))


def test_only_the_server_that_is_used_is_imported() -> None:
    code = (
        "import sys; from ivdocker.validation import plan\n"
        "plan.plan(plan.Subject(sys.argv[1], ['seldonio/mlserver:1']), plan.RunOptions())\n"
        "print(*sorted(name for name in sys.modules if name.startswith('ivdocker.servers.')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(Path(__file__).parent)], capture_output=True, text=True, timeout=60, check=True
    )
    found = {name.rpartition(".")[2] for name in done.stdout.split()}
    of_tfx = {"tensorflow_serving", "models_config", "text_proto"}
    shared = {"base", "client", "protocol", "ready_body", "records", "registry", "select"}
    assert found - shared - of_tfx == {"mlserver", "open_inference"}
