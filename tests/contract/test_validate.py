"""The verdict: what a user is told of each way in which a model or its server can fail."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

import ivdocker
from ivdocker import DeadlineExceeded, Failure, JobAborted, RunOptions, ValidationFailed
from tests.conftest import Cli, Engine, ModelFactory, wait_until

PREDICT = {"instances": [1.0, 2.0, 5.0]}
ANSWER = {"predictions": [2.5, 3.0, 4.5]}


def write_requests(folder: Path, *lines: Any) -> Path:
    path = folder / "requests.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def failure_of(model: Path, engine: Engine, **what: Any) -> Failure:
    """The failure of a model that is not blessed."""
    report = ivdocker.validate(model, images=[engine.image], **what)
    assert report.verdict == "not_blessed"
    assert engine.containers() == []
    (run,) = report.runs
    assert run.failure is not None
    return run.failure


def assert_is(failure: Failure, stage: str, code: str, *words: str) -> None:
    """Stage, code, and words of the message. ``load``: a bad model may be found out while the ports are waited for."""
    assert failure.code == code, failure
    assert failure.stage in (("running", "load") if stage == "load" else (stage,))
    for word in words:
        assert word in failure.message
    assert failure.command is not None
    assert failure.command.startswith("docker run ")


# Blessed


def test_a_model_that_loads_is_blessed(engine: Engine, model: ModelFactory) -> None:
    report = ivdocker.validate(model(), images=[engine.image])
    assert report.blessed
    assert (report.verdict, report.exit_code) == ("blessed", 0)
    assert engine.containers() == []


def test_a_model_that_answers_as_expected_is_blessed(engine: Engine, model: ModelFactory, tmp_path: Path) -> None:
    expected = {"request": PREDICT, "expect": ANSWER}
    requests = write_requests(
        tmp_path, PREDICT, expected, {"request": PREDICT, "expect": {"predictions": [2.5, 3, 4.5]}}
    )
    report = ivdocker.validate(model(), images=[engine.image], requests=requests)
    (run,) = report.runs
    assert (run.verdict, run.requests.sent, run.requests.failed, run.requests.mismatched) == ("blessed", 3, 0, 0)


def test_a_noisy_server_is_blessed(engine: Engine, model: ModelFactory) -> None:
    assert ivdocker.validate(model(log_mb=4, log_binary=True, load_seconds=0.2), images=[engine.image]).blessed


# Not blessed: while loading


@pytest.mark.parametrize(
    ("standin", "code", "words", "signal_name"),
    [
        ({"exit_during_load": 3}, "container-exited", ["exit code 3"], None),
        ({"signal_during_load": 9}, "container-exited", ["SIGKILL", "137"], "SIGKILL"),
        ({"signal_during_load": 11}, "container-exited", ["SIGSEGV"], "SIGSEGV"),
        ({"signal_during_load": 4}, "illegal-instruction", ["illegal instruction"], "SIGILL"),
        ({"load_seconds": 0.5, "exit_during_load": 1, "log_mb": 2}, "container-exited", ["exit code 1"], None),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, dict) else "",
)
def test_a_server_that_dies_while_loading(
    standin: dict[str, Any], code: str, words: list[str], signal_name: str | None, engine: Engine, model: ModelFactory
) -> None:
    failure = failure_of(model(**standin), engine)
    assert failure.code == code
    assert all(word in failure.message for word in words)
    assert (failure.signal, failure.oom_killed) == (signal_name, False)
    assert 0 < len(failure.log_tail) <= 20
    assert all(len(line) < 1000 for line in failure.log_tail)


def test_a_server_that_needs_too_much_memory(engine: Engine, model: ModelFactory) -> None:
    failure = failure_of(model(allocate_mb_during_load=200), engine, options=RunOptions(memory="64m"))
    assert (failure.code, failure.oom_killed, failure.signal) == ("out-of-memory", True, "SIGKILL")
    assert failure.hint is not None
    assert "--memory" in failure.hint


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, ["no saved_model.pb"]),
        ("corrupt", ["damaged", "cannot parse", "saved_model.pb"]),
        ("op:MyCustomOp", ["'MyCustomOp'", "does not have"]),
        ("", ["no graph with the tags", "serve"]),
    ],
)
def test_a_broken_saved_model(content: str | None, words: list[str], engine: Engine, model: ModelFactory) -> None:
    folder = model()
    saved_model = folder / "1" / "saved_model.pb"
    if content is None:
        saved_model.unlink()
        (folder / "1" / "variables").mkdir()
    else:
        saved_model.write_text(content)
    assert_is(failure_of(folder, engine), "load", "model-load-failed", *words)


def test_a_folder_without_a_version(engine: Engine, tmp_path: Path) -> None:
    """The real server waits for one for ever."""
    folder = tmp_path / "half_plus_two"
    (folder / "latest").mkdir(parents=True)
    (folder / "latest" / "saved_model.pb").touch()
    assert_is(failure_of(folder, engine), "load", "model-load-failed", "no version", "no numbered version folder")


def test_a_wrong_base_path(engine: Engine, model: ModelFactory) -> None:
    """The real server waits for it for ever."""
    options = RunOptions(env={"MODEL_BASE_PATH": "/elsewhere"})
    failure = failure_of(model(), engine, options=options)
    assert_is(failure, "load", "model-not-found", "/elsewhere/half_plus_two")


def test_a_model_that_was_unloaded(engine: Engine, model: ModelFactory) -> None:
    failure = failure_of(model(state="END", error="out of cheese"), engine)
    assert_is(failure, "load", "model-load-failed", "out of cheese")


def test_a_rest_port_that_is_taken(engine: Engine, model: ModelFactory) -> None:
    """The real server runs on without REST."""
    assert_is(failure_of(model(rest_port_taken=True), engine), "load", "not-listening", "REST port is taken")


@pytest.mark.parametrize("engine", [pytest.param("docker", marks=pytest.mark.engine)], indirect=True)
def test_a_server_that_listens_for_itself_alone(engine: Engine, model: ModelFactory) -> None:
    """Published ports lead to it from outside, where it does not listen. The fake's servers have no network of their
    own."""
    failure = failure_of(model(listen_host="127.0.0.1"), engine, timeout_s=20)
    assert_is(failure, "load", "not-listening", "127.0.0.1")


@pytest.mark.parametrize("standin", [{"hang_load": True}, {"listen_first_hang": True}, {"status_html": True}])
def test_a_model_that_is_never_ready(standin: dict[str, Any], engine: Engine, model: ModelFactory) -> None:
    failure = failure_of(model(**standin), engine, timeout_s=2)
    assert_is(failure, "load", "load-timeout", "not ready after", "half_plus_two")
    assert failure.log_tail


# Not blessed: while answering


@pytest.mark.parametrize(
    ("standin", "words"),
    [
        ({"http_status": 500, "error": "out of cheese"}, ["HTTP 500", "out of cheese"]),
        ({"http_status": 503}, ["HTTP 503"]),
        ({"html": True}, ["not JSON", "It works!"]),
        ({"close_halfway": True}, ["short"]),
        ({"error_in_200": True, "error": "out of cheese"}, ["out of cheese"]),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, dict) else "",
)
def test_a_request_that_fails(
    standin: dict[str, Any], words: list[str], engine: Engine, model: ModelFactory, tmp_path: Path
) -> None:
    failure = failure_of(model(**standin), engine, requests=write_requests(tmp_path, PREDICT))
    assert_is(failure, "query", "request-failed", "requests.jsonl:1", *words)


@pytest.mark.parametrize(
    ("standin", "words"),
    [({"add": 1}, ["3.5", "2.5"]), ({"nan": True}, ["NaN", "2.5"]), ({"flaky": True}, ["requests.jsonl:2", "3.5"])],
    ids=["add", "nan", "flaky"],
)
def test_an_answer_that_is_wrong(
    standin: dict[str, Any], words: list[str], engine: Engine, model: ModelFactory, tmp_path: Path
) -> None:
    line = {"request": PREDICT, "expect": ANSWER}
    failure = failure_of(model(**standin), engine, requests=write_requests(tmp_path, line, line))
    assert failure.code == "response-mismatch"
    assert all(word.lower() in failure.message.lower() for word in words), failure.message


def test_a_tolerance_makes_a_wrong_answer_right(engine: Engine, model: ModelFactory, tmp_path: Path) -> None:
    requests = write_requests(tmp_path, {"request": PREDICT, "expect": ANSWER, "atol": 1.5})
    assert ivdocker.validate(model(add=1), images=[engine.image], requests=requests).blessed


def test_every_request_is_sent_and_the_first_failure_is_told(
    engine: Engine, model: ModelFactory, tmp_path: Path
) -> None:
    wrong = {"request": PREDICT, "expect": {"predictions": [0, 0, 0]}}
    requests = write_requests(tmp_path, PREDICT, {"instances": []}, wrong, PREDICT)
    (run,) = ivdocker.validate(model(), images=[engine.image], requests=requests).runs
    assert (run.requests.sent, run.requests.failed, run.requests.mismatched) == (4, 1, 1)
    assert run.failure is not None
    assert "requests.jsonl:2" in run.failure.message


def test_a_server_that_dies_of_a_request(engine: Engine, model: ModelFactory, tmp_path: Path) -> None:
    requests = write_requests(tmp_path, PREDICT, PREDICT, PREDICT)
    failure = failure_of(model(exit_after_requests=1, exit_code=7), engine, requests=requests)
    assert_is(failure, "query", "container-exited", "exit code 7")
    assert failure.exit_code == 7


def test_a_server_that_dies_while_it_answers(engine: Engine, model: ModelFactory, tmp_path: Path) -> None:
    standin = {"die_after_seconds": 2, "signal": 11, "request_seconds": 50}
    failure = failure_of(model(**standin), engine, requests=write_requests(tmp_path, PREDICT))
    assert_is(failure, "query", "container-exited", "SIGSEGV")


# Several images


def test_one_image_that_fails_is_enough(engine: Engine, model: ModelFactory) -> None:
    """A model's fault weighs more than the environment's."""
    images = [engine.image, "127.0.0.1:1/tensorflow/serving:1"]
    report = ivdocker.validate(model(exit_during_load=1), images=images, jobs=2)
    assert [run.verdict for run in report.runs] == ["not_blessed", "no_verdict"]
    assert (report.verdict, report.exit_code) == ("not_blessed", 1)


# serve()


def test_serve_runs_a_server_for_a_block(engine: Engine, model: ModelFactory) -> None:
    with ivdocker.serve(model(), image=engine.image) as server:
        assert server.predict(PREDICT) == ANSWER
        assert server.endpoint.startswith("127.0.0.1:")
        assert f"http://{server.endpoint.http}/v1/models/half_plus_two:predict" in server.curl()
        wait_until(lambda: "Exporting HTTP/REST API" in server.logs)
    assert engine.containers() == []


def test_serve_removes_the_server_when_the_block_raises(engine: Engine, model: ModelFactory) -> None:
    with pytest.raises(ZeroDivisionError), ivdocker.serve(model(), image=engine.image):
        raise ZeroDivisionError
    assert engine.containers() == []


@pytest.mark.parametrize("standin", [{"hang_requests": True}, {"drip_requests": True}, {"request_seconds": 50}])
def test_a_request_that_is_not_answered_in_time(standin: dict[str, Any], engine: Engine, model: ModelFactory) -> None:
    with (
        ivdocker.serve(model(**standin), image=engine.image) as server,
        pytest.raises(DeadlineExceeded, match="no whole answer") as caught,
    ):
        server.predict(PREDICT, timeout_s=0.5)
    assert caught.value.failure is not None
    assert caught.value.failure.code == "request-timeout"


def test_a_request_that_the_server_refuses(engine: Engine, model: ModelFactory) -> None:
    with (
        ivdocker.serve(model(), image=engine.image) as server,
        pytest.raises(ValidationFailed, match="HTTP 400: Missing 'inputs' or 'instances' key"),
    ):
        server.predict({})


def test_a_server_that_dies_while_it_serves(engine: Engine, model: ModelFactory) -> None:
    with ivdocker.serve(model(exit_after_requests=1, exit_code=7), image=engine.image) as server:
        server.predict(PREDICT)
        with pytest.raises(JobAborted, match="exit code 7"):
            server.predict(PREDICT)
    assert engine.containers() == []


def test_serve_raises_what_kept_the_model_from_loading(engine: Engine, model: ModelFactory) -> None:
    folder = model()
    (folder / "1" / "saved_model.pb").write_text("op:MyCustomOp")
    with pytest.raises(ValidationFailed, match="MyCustomOp"), ivdocker.serve(folder, image=engine.image):
        pytest.fail("the model cannot load")


# The command line


def test_the_exit_code_is_0_when_blessed(engine: Engine, model: ModelFactory, cli: Cli, tmp_path: Path) -> None:
    requests = write_requests(tmp_path, {"request": PREDICT, "expect": ANSWER})
    done = cli("validate", model(), "--image", engine.image, "--requests", requests)
    assert (done.returncode, done.stdout) == (0, "")
    *stages, verdict = done.stderr.splitlines()
    assert [line.split()[0] for line in stages] == ["start", "running", "load", "query", "measured", "stop"]
    assert verdict.startswith("BLESSED")
    assert "\x1b" not in done.stderr


def test_the_exit_code_is_1_when_not_blessed(engine: Engine, model: ModelFactory, cli: Cli) -> None:
    done = cli("validate", model(exit_during_load=3), "--image", engine.image)
    assert done.returncode == 1
    assert "container-exited: the server ended by itself (exit code 3)" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_exit_code_is_3_without_a_verdict(engine: Engine, model: ModelFactory, cli: Cli) -> None:
    done = cli("validate", model(), "--image", "127.0.0.1:1/tensorflow/serving:1", "--pull=never")
    assert done.returncode == 3
    assert "image-not-found" in done.stderr
    assert engine.containers() == []


REPORT_KEYS = {"schema", "verdict", "model", "engine", "seconds", "runs"}
RUN_KEYS = {"image", "image_id", "server", "verdict", "attempts", "stages", "endpoints", "requests", "failure"}
FAILURE_KEYS = {
    *("code", "message", "hint", "stage", "exit_code", "signal", "oom_killed", "log_tail", "command"),
}


def json_report(cli: Cli, model: Path, engine: Engine, *args: str | Path) -> Any:
    done = cli("validate", model, "--image", engine.image, "--json", "-", *args)
    return json.loads(done.stdout)


def test_the_json_report_of_a_blessed_model(engine: Engine, model: ModelFactory, cli: Cli, tmp_path: Path) -> None:
    report = json_report(cli, model(), engine, "--requests", write_requests(tmp_path, PREDICT))
    assert report.keys() >= REPORT_KEYS
    assert (report["schema"], report["verdict"]) == ("ivdocker/report/v1", "blessed")
    assert report["engine"]["platform"].startswith("linux/")
    (run,) = report["runs"]
    assert run.keys() >= RUN_KEYS
    assert (run["verdict"], run["server"], run["failure"]) == ("blessed", "tensorflow-serving", None)
    assert run["image_id"].startswith("sha256:")
    assert list(run["stages"]) == ["start", "running", "load", "query", "stop"]
    assert run["endpoints"].keys() == {"grpc", "http"}
    assert run["requests"].keys() >= {"sent", "failed", "mismatched", "p50_ms", "p95_ms", "p99_ms"}
    assert run["requests"]["sent"] == 1


def test_the_json_report_of_a_failure(engine: Engine, model: ModelFactory, cli: Cli) -> None:
    report = json_report(cli, model(signal_during_load=9), engine)
    (run,) = report["runs"]
    failure = run["failure"]
    assert failure.keys() >= FAILURE_KEYS
    assert (report["verdict"], run["verdict"]) == ("not_blessed", "not_blessed")
    assert failure["code"] == "container-exited"
    assert failure["stage"] in ("running", "load")
    assert (failure["exit_code"], failure["signal"], failure["oom_killed"]) == (137, "SIGKILL", False)
    assert failure["log_tail"]


def test_the_json_report_can_go_to_a_file(engine: Engine, model: ModelFactory, cli: Cli) -> None:
    done = cli("validate", model(), "--image", engine.image, "--json", "report.json")
    assert done.stdout == ""
    assert json.loads((cli.folder / "report.json").read_text())["verdict"] == "blessed"


@pytest.mark.parametrize(
    ("standin", "image", "written"),
    [
        ({}, None, ["INFRA_BLESSED"]),
        ({"exit_during_load": 1}, None, ["INFRA_NOT_BLESSED"]),
        ({}, "127.0.0.1:1/tensorflow/serving:1", []),
    ],
    ids=["blessed", "not-blessed", "no-verdict"],
)
def test_the_blessing_is_a_file_and_an_old_one_is_removed(
    standin: dict[str, Any], image: str | None, written: list[str], engine: Engine, model: ModelFactory, cli: Cli
) -> None:
    folder = cli.folder / "blessing"
    folder.mkdir()
    for name in ("INFRA_BLESSED", "INFRA_NOT_BLESSED"):
        (folder / name).touch()
    args = ["--image", image or engine.image, "--pull=never", "--blessing", "blessing"]
    cli("validate", model(**standin), *args)
    assert sorted(os.listdir(folder)) == written


def test_a_serving_spec_names_images_and_model(engine: Engine, model: ModelFactory, cli: Cli) -> None:
    spec = {
        "tensorflow_serving": {"image_name": engine.image.partition(":")[0], "tags": ["1"]},
        "local_docker": {},
        "model_name": "renamed",
    }
    (cli.folder / "spec.json").write_text(json.dumps(spec))
    done = cli("validate", model(), "--spec", "spec.json")
    assert done.returncode == 0
    assert "model renamed is ready" in done.stderr


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("command", ["validate", "serve"])
def test_a_signal_ends_the_command_once_everything_is_removed(
    command: str, signum: signal.Signals, engine: Engine, model: ModelFactory, cli: Cli
) -> None:
    with cli.start(command, model(hang_load=True), "--image", engine.image) as process:
        wait_until(lambda: engine.calls("logs"))
        process.send_signal(signum)
        _, stderr = process.communicate(timeout=60)
    assert engine.containers() == []
    assert process.returncode == 128 + signum
    assert f"interrupted by {signum.name}" in stderr
    assert "Traceback" not in stderr


def test_a_second_signal_cuts_the_grace_short(engine: Engine, model: ModelFactory, cli: Cli) -> None:
    with cli.start("validate", model(ignore_sigterm=True, hang_load=True), "--image", engine.image) as process:
        wait_until(lambda: engine.calls("logs"))
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: engine.calls("stop"))
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: not engine.containers(), seconds=8)
        process.communicate(timeout=60)
    assert process.returncode == 143


def test_serve_prints_a_curl_line_that_works(engine: Engine, model: ModelFactory, cli: Cli) -> None:
    with cli.start("serve", model(), "--image", engine.image) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert line.startswith("curl ")
    assert "/v1/models/half_plus_two:predict" in line
    assert process.returncode == 130


def test_serve_ends_when_its_server_dies(engine: Engine, model: ModelFactory, cli: Cli) -> None:
    done = cli("serve", model(die_after_seconds=1), "--image", engine.image)
    assert done.returncode == 1
    assert "container-exited" in done.stderr
    assert engine.containers() == []


def test_doctor_finds_nothing_wrong(engine: Engine, cli: Cli) -> None:
    del engine
    done = cli("doctor")
    assert (done.returncode, "FAIL" in done.stdout) == (0, False)
    named = {line.split()[1] for line in done.stdout.splitlines() if line.startswith(("ok", "note"))}
    assert named >= {"python", "program", "place", "engine", "mounts", "limits", "gpu"}


@pytest.mark.parametrize("engine", ["fake"], indirect=True)
@pytest.mark.parametrize("server", ["auto", "openai"])
def test_an_image_whose_name_does_not_tell_is_run_as_its_entrypoint_wants(
    server: str, engine: Engine, cli: Cli, tmp_path: Path
) -> None:
    """Without its flags vLLM would serve a model of its own choice, and be blessed."""
    image = {"Id": "sha256:1", "Os": "linux", "Architecture": "amd64", "Config": {"Entrypoint": ["vllm", "serve"]}}
    engine.faults({"verb": "image", "stdout": json.dumps([image])})
    done = cli("validate", tmp_path, "--image=team/llm:1", f"--server={server}", "--model-name=m", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "team/llm:1 --model=/models/m --served-model-name=m" in done.stdout


DOCKERS_GRACE_S = 10.0


def test_a_server_is_not_waited_for_where_nobody_asks_for_a_graceful_stop(engine: Engine, model: ModelFactory) -> None:
    """It ignores SIGTERM, and would be waited for until docker's own grace is over."""
    (run,) = ivdocker.validate(model(ignore_sigterm=True), images=[engine.image]).runs
    assert run.failure is None
    assert run.stages["stop"] < DOCKERS_GRACE_S
    assert engine.containers() == []


def test_a_graceful_stop_waits_as_long_as_it_is_told(engine: Engine, model: ModelFactory, cli: Cli) -> None:
    words = (model(ignore_sigterm=True), "--image", engine.image, "--graceful-stop", "--grace", "1", "--json", "-")
    done = cli("validate", *words)
    assert done.returncode == 1
    failure = json.loads(done.stdout)["runs"][0]["failure"]
    assert failure["code"] == "unclean-stop"
    assert "within 1 s of SIGTERM" in failure["message"]
    assert engine.containers() == []
