"""What a model server runner takes and gives, on the fake and on the real engine: paths, copies of an endpoint, its
text, and what a forked child does with them."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ivdocker import Endpoint, LocalDockerRunner, TensorFlowServing, UsageError
from tests.conftest import Engine, ModelFactory
from tests.contract.conftest import PREDICT, RunnerFactory, name_of, soon


def loaded(run: LocalDockerRunner, binary: TensorFlowServing) -> Endpoint:
    run.Start()
    run.WaitUntilRunning(soon())
    endpoint = run.GetEndpoint()
    binary.MakeClient(endpoint).WaitUntilModelLoaded(soon())
    return endpoint


def sources(engine: Engine) -> list[str]:
    return [mount["Source"] for mount in engine.state_of(name_of(engine))["Mounts"]]


# Paths

FORMS: dict[str, Callable[[Path], Any]] = {
    "relative": lambda path: path.name,
    "relative-with-dots": lambda path: f"../{path.parent.name}/{path.name}",
    "home": lambda path: f"~/{path.name}",
    "home-as-a-path": lambda path: Path("~") / path.name,
    "bytes": os.fsencode,
    "relative-bytes": lambda path: path.name.encode(),
    "path": lambda path: path,
    "slash": lambda path: f"{path.name}/",
    "uri": lambda path: path.as_uri(),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_models_path_means_what_it_meant_when_the_runner_was_made(
    form: str,
    engine: Engine,
    runner: RunnerFactory,
    model: ModelFactory,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, elsewhere = model(), tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(path.parent)
    monkeypatch.setenv("HOME", str(path.parent))
    run = runner(FORMS[form](path))
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("HOME", str(elsewhere))
    run.Start()
    assert sources(engine) == [str(path)]


def test_the_folder_of_the_evidence_is_found_from_where_the_runner_was_made(
    runner: RunnerFactory, model: ModelFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "env").write_text("A=b\n")
    run = runner(model(), evidence="evidence", env_files=("env",))
    monkeypatch.chdir("/")
    run.Start()
    assert (tmp_path / "evidence" / "command.txt").exists()


@pytest.mark.parametrize("path", [None, 3, ["m"], object()])
def test_a_models_path_that_is_none_is_refused_by_the_constructor(
    path: Any, engine: Engine, binary: TensorFlowServing
) -> None:
    with pytest.raises(UsageError, match=r"^model_path must be a path \(str, bytes or os\.PathLike\), not "):
        LocalDockerRunner(path, binary, {})
    assert engine.journal() == []


# The endpoint


def test_a_copy_of_an_endpoint_works_as_it_does(
    runner: RunnerFactory, binary: TensorFlowServing, model: ModelFactory
) -> None:
    run = runner(model())
    endpoint = loaded(run, binary)
    client = binary.MakeClient(endpoint)
    for copied in (copy.copy(endpoint), copy.deepcopy(endpoint), copy.deepcopy({"endpoint": endpoint})["endpoint"]):
        client = binary.MakeClient(copied)
        client.WaitUntilModelLoaded(soon())
        assert (copied, copied.addresses, type(copied)) == (endpoint, endpoint.addresses, Endpoint)
    run.Stop()
    with pytest.raises(Exception, match="the model server was stopped"):
        client.WaitUntilModelLoaded(soon())


_IN_ANOTHER_PROCESS = """
import json, pickle, sys, time
endpoint = pickle.loads(bytes.fromhex(sys.argv[1]))
import ivdocker
client = ivdocker.TensorFlowServing("x", "half_plus_two").MakeClient(endpoint)
client.WaitUntilModelLoaded(time.time() + 60)
endpoint.check()
print(json.dumps([endpoint, endpoint.addresses, endpoint.log(), client.predict({"instances": [1.0]})]))
"""


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickled_endpoint_knows_the_addresses_in_another_process(
    protocol: int, runner: RunnerFactory, binary: TensorFlowServing, model: ModelFactory
) -> None:
    endpoint = loaded(runner(model()), binary)
    command = [sys.executable, "-c", _IN_ANOTHER_PROCESS, pickle.dumps(endpoint, protocol).hex()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [endpoint, endpoint.addresses, None, {"predictions": [2.5]}]


def test_the_text_of_an_endpoint_is_the_grpc_port_and_a_client_of_ours_says_so_at_once(
    runner: RunnerFactory, binary: TensorFlowServing, model: ModelFactory
) -> None:
    endpoint = loaded(runner(model()), binary)
    client = binary.MakeClient(str(endpoint))
    for ask in (
        lambda: client.WaitUntilModelLoaded(float("inf")),
        lambda: client.predict(PREDICT),
        lambda: client.SendRequests([PREDICT]),
        client.GetModelState,
        client.inputs,
    ):
        with pytest.raises(UsageError, match=rf"^{endpoint} speaks HTTP/2 alone: .*gRPC port.* GetEndpoint\(\)"):
            ask()
    assert endpoint.http is not None
    binary.MakeClient(endpoint.http).WaitUntilModelLoaded(soon())


# A forked child


def in_child(work: Callable[[], object]) -> int:
    """Do the work in a forked child, as multiprocessing does; returns its exit code."""
    pid = os.fork()
    if not pid:
        try:
            work()
            os._exit(0)
        except BaseException:  # noqa: BLE001  (nobody else would show it)
            traceback.print_exc()
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_forked_childs_stop_leaves_its_parents_container(
    engine: Engine, runner: RunnerFactory, binary: TensorFlowServing, model: ModelFactory
) -> None:
    run = runner(model())
    client = binary.MakeClient(loaded(run, binary))
    assert in_child(run.Stop) == 0
    assert [call.verb for call in engine.journal() if call.verb in ("stop", "kill", "rm")] == []
    assert client.predict(PREDICT) == {"predictions": [2.5, 3.0, 4.5]}
    run.Stop()
    assert engine.containers() == []


def test_a_forked_child_may_use_the_server_and_read_its_log(
    runner: RunnerFactory, binary: TensorFlowServing, model: ModelFactory
) -> None:
    run = runner(model())
    endpoint = loaded(run, binary)

    def work() -> None:
        client = binary.MakeClient(endpoint)
        client.WaitUntilModelLoaded(soon())
        assert client.predict(PREDICT) == {"predictions": [2.5, 3.0, 4.5]}
        run.WaitUntilRunning(soon())
        run.check()
        assert "Exporting HTTP/REST API" in (run.GetLogs() or "")

    assert in_child(work) == 0
    assert "Exporting HTTP/REST API" in (run.GetLogs() or "")
    run.check()


def test_a_forked_child_may_start_a_runner_that_its_parent_has_made(
    engine: Engine, runner: RunnerFactory, binary: TensorFlowServing, model: ModelFactory
) -> None:
    run = runner(model())

    def work() -> None:
        loaded(run, binary)
        run.Stop()
        assert run.was_removed

    assert in_child(work) == 0
    assert len(engine.calls("run")) == 1
    assert engine.containers() == []


def test_a_child_that_is_forked_during_a_start_leaves_it_alone(
    runner: RunnerFactory, binary: TensorFlowServing, model: ModelFactory
) -> None:
    run = runner(model())
    starting = threading.Thread(target=run.Start)
    starting.start()
    while not run.name:
        pass
    assert in_child(run.Stop) == 0
    starting.join()
    run.WaitUntilRunning(soon())
    binary.MakeClient(run.GetEndpoint()).WaitUntilModelLoaded(soon())
