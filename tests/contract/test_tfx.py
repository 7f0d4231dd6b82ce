"""TFX's own objects drive the runner, and what TFX's own runner gets wrong stays right."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

import ivdocker
from ivdocker import DeadlineExceeded, JobAborted, LocalDockerRunner, TensorFlowServing
from tests.conftest import Engine, ModelFactory
from tests.contract.conftest import MODEL_NAME, RunnerFactory


class Mount(dict[str, Any]):
    """As ``docker.types.Mount``: a dict with docker's keys."""

    def __init__(self, target: str, source: str, type: str, read_only: bool) -> None:
        super().__init__(Target=target, Source=source, Type=type, ReadOnly=read_only)


class TfxServingBinary:
    """As ``tfx.components.infra_validator.serving_bins.TensorFlowServing``: no base class, no signatures of ours."""

    def __init__(self, image: str) -> None:
        self.image = image

    @property
    def container_port(self) -> int:
        return 8500

    def MakeDockerRunParams(self, model_path: str, needs_mount: bool) -> dict[str, Any]:
        params: dict[str, Any] = {"auto_remove": True, "detach": True, "publish_all_ports": True}
        params |= {"image": self.image, "environment": {"MODEL_NAME": MODEL_NAME, "MODEL_BASE_PATH": "/models"}}
        if needs_mount:
            target = f"/models/{MODEL_NAME}/1"
            params["mounts"] = [Mount(type="bind", target=target, source=model_path, read_only=True)]
        return params

    def MakeClient(self, endpoint: str) -> Any:
        return TensorFlowServing(self.image, MODEL_NAME).MakeClient(endpoint)


class Descriptor:
    def __init__(self, name: str) -> None:
        self.name = name


class Message:
    """As a message of protobuf: only the fields that are set are listed."""

    def __init__(self, **fields: Any) -> None:
        self._fields = fields

    def ListFields(self) -> list[tuple[Descriptor, Any]]:
        return [(Descriptor(name), value) for name, value in self._fields.items()]


class Repeated:
    """As protobuf's repeated field: a sequence, and no list."""

    def __init__(self, *items: str) -> None:
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> str:
        return self._items[index]


def proto_spec(**local_docker: Any) -> Message:
    serving = Message(image_name="ivdocker/tensorflow-serving-standin", tags=Repeated("1"))
    return Message(tensorflow_serving=serving, local_docker=Message(**local_docker), model_name=MODEL_NAME)


@pytest.fixture
def tfx_runner(engine: Engine, runner: RunnerFactory, model: ModelFactory) -> LocalDockerRunner:
    """Made as TFX's executor makes it, for the version folder of a good model."""
    return runner(model() / "1", binary=TfxServingBinary(engine.image), spec=proto_spec(client_timeout_seconds=30))


def test_tfxs_objects_go_through_the_executors_steps(engine: Engine, tfx_runner: LocalDockerRunner) -> None:
    deadline = time.time() + 60
    tfx_runner.Start()
    tfx_runner.WaitUntilRunning(deadline)
    endpoint = tfx_runner.GetEndpoint()
    bindings = engine.state_of(engine.containers()[0])["NetworkSettings"]["Ports"]["8500/tcp"]
    assert endpoint == f"127.0.0.1:{bindings[0]['HostPort']}"
    tfx_runner.Stop()
    assert engine.containers() == []


def test_docker_pys_auto_remove_and_publish_all_ports_are_not_followed(
    engine: Engine, tfx_runner: LocalDockerRunner
) -> None:
    """Logs and exit code of a crashed server would be gone, and the server open to every network."""
    tfx_runner.Start()
    (argv,) = engine.calls("run")
    assert not {"--rm", "-P", "--publish-all"} & set(argv)
    assert [word for word in argv if word.startswith("--publish")] == ["--publish=127.0.0.1::8500"]


def test_docker_pys_mount_is_mounted_read_only(engine: Engine, tfx_runner: LocalDockerRunner) -> None:
    tfx_runner.Start()
    (mount,) = engine.state_of(engine.containers()[0])["Mounts"]
    assert (mount["Destination"], mount["RW"]) == (f"/models/{MODEL_NAME}/1", False)


@pytest.mark.parametrize("form", ["proto", "json", "dict", "ours"])
def test_a_serving_spec_may_come_as(form: str, engine: Engine, runner: RunnerFactory, model: ModelFactory) -> None:
    record = {"tensorflowServing": {"tags": ["1"]}, "localDocker": {"clientApiVersion": "1.41"}}
    spec: Any = {
        "proto": proto_spec(client_api_version="1.41"),
        "json": json.dumps(record),
        "dict": record,
        "ours": ivdocker.ServingSpec.from_dict(record),
    }[form]
    run = runner(model(), spec=spec)
    run.Start()
    assert "DOCKER_API_VERSION" in engine.journal()[0].env


def test_a_proto_spec_names_the_images(engine: Engine) -> None:
    (binary,) = ivdocker.ServingSpec.of(proto_spec()).serving_binaries()
    assert (binary.image, binary.model_name) == (engine.image, MODEL_NAME)


@pytest.mark.parametrize(
    ("address", "reached_at"),
    [("", "127.0.0.1"), ("127.0.0.1", "127.0.0.1"), ("127.0.0.2", "127.0.0.2"), ("0.0.0.0", "127.0.0.1")],
)
def test_any_host_ip_address_will_do(
    address: str, reached_at: str, runner: RunnerFactory, binary: TensorFlowServing, model: ModelFactory
) -> None:
    """TFX's runner knows 0.0.0.0 alone."""
    run = runner(model(), spec=proto_spec(host_ip_address=address))
    run.Start()
    run.WaitUntilRunning(time.time() + 60)
    assert run.GetEndpoint().startswith(f"{reached_at}:")
    binary.MakeClient(run.GetEndpoint()).WaitUntilModelLoaded(time.time() + 60)


def test_the_real_error_of_a_crashed_server_is_told(engine: Engine, runner: RunnerFactory, model: ModelFactory) -> None:
    """TFX's runner raises NotFound over it, from GetLogs() and from Stop()."""
    run = runner(model(signal_during_load=9) / "1", binary=TfxServingBinary(engine.image))
    run.Start()
    with pytest.raises(JobAborted, match="SIGKILL") as caught:
        run_to_the_end(run, engine)
    assert caught.value.failure is not None
    assert caught.value.failure.exit_code == 137
    assert caught.value.failure.oom_killed is False
    assert "Loading servable version" in "\n".join(caught.value.failure.log_tail)
    run.Stop()
    assert "Loading servable version" in (run.GetLogs() or "")


def test_a_server_that_dies_later_is_noticed_before_the_deadline(
    engine: Engine, runner: RunnerFactory, model: ModelFactory
) -> None:
    """TFX's runner would wait the deadline out, five times, and then speak of a deadline."""
    run = runner(model(load_seconds=0.5, exit_during_load=3) / "1", binary=TfxServingBinary(engine.image))
    run.Start()
    with pytest.raises(JobAborted, match="exit code 3"):
        run_to_the_end(run, engine)


@pytest.mark.parametrize("engine", ["fake"], indirect=True)
def test_a_container_that_is_created_is_looked_at_more_than_once_a_second(
    engine: Engine, runner: RunnerFactory, model: ModelFactory
) -> None:
    """Thirty looks show no binding yet; of two a second (the waiting's, the watch's) not all come in time."""
    created = json.dumps([{"Id": "0", "State": {"Status": "created"}, "NetworkSettings": {"Ports": {}}}])
    engine.faults(*({"verb": "inspect", "nth": nth, "stdout": created} for nth in range(1, 31)))
    run = runner(model())
    run.Start()
    run.WaitUntilRunning(time.time() + 25)
    assert run.GetEndpoint().startswith("127.0.0.1:")
    assert len(engine.calls("inspect")) > 30


def test_stop_does_not_wait_for_the_entrypoint_that_ignores_sigterm(
    engine: Engine, runner: RunnerFactory, model: ModelFactory
) -> None:
    """The image's PID 1 is a shell script; without --init it is killed when the grace period is over."""
    run = runner(model(), grace_s=30)
    run.Start()
    run.WaitUntilRunning(time.time() + 60)
    before = time.monotonic()
    run.Stop()
    assert time.monotonic() - before < 15
    assert "--init" in engine.calls("run")[0]


def test_images_are_validated_at_the_same_time(engine: Engine, model: ModelFactory) -> None:
    images = [engine.image, engine.image]
    report = ivdocker.validate(model(load_seconds=1), images=images, jobs=2)
    assert report.blessed, [run.failure for run in report.runs]
    verbs = [call.argv[0] for call in engine.journal() if call.argv[0] in ("run", "rm")]
    assert verbs == ["run", "run", "rm", "rm"]


def run_to_the_end(run: LocalDockerRunner, engine: Engine) -> None:
    deadline = time.time() + 60
    run.WaitUntilRunning(deadline)
    TfxServingBinary(engine.image).MakeClient(run.GetEndpoint()).WaitUntilModelLoaded(deadline)
    raise DeadlineExceeded("the server should have died")


def test_neither_tfx_nor_protobuf_nor_docker_is_needed() -> None:
    source = Path(ivdocker.__file__).parent
    # What is in ivdocker/tfx is for those who have TFX.
    files = [path for path in source.rglob("*.py") if path.parent.name != "tfx"]
    text = "\n".join(path.read_text("utf-8") for path in files)
    for package in ("tfx", "google.protobuf", "docker"):
        assert f"\nimport {package}" not in text
        assert f"\nfrom {package}" not in text
