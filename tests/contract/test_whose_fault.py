"""What never reached the model, or what we made up, says nothing about it; and the verdict says what was tried."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import ivdocker
from ivdocker import Budgets, Checks, UsageError
from tests.conftest import Cli, Engine, ModelFactory
from tests.contract.test_validate import ANSWER, PREDICT, failure_of, write_requests

TEXT_MODEL = {"inputs": {"x": "DT_STRING"}}
"""Its metadata says text, and it answers 400 to it."""


def test_a_refusal_of_what_we_made_up_gives_no_verdict(engine: Engine, model: ModelFactory, cli: Cli) -> None:
    done = cli("validate", model(**TEXT_MODEL), "--image", engine.image, "--synthesize", "--json", "-")
    assert done.returncode == 3
    (run,) = json.loads(done.stdout)["runs"]
    assert run["failure"]["code"] == "no-request"
    assert "NO VERDICT" in done.stderr
    assert "synthesized request 1 (seed 0): the model takes no such request: HTTP 400" in done.stderr
    assert "to do: give requests with values that the model takes: --requests FILE" in done.stderr


def test_a_share_that_may_fail_does_not_make_a_verdict_of_a_refusal(engine: Engine, model: ModelFactory) -> None:
    report = ivdocker.validate(
        model(**TEXT_MODEL), images=[engine.image], synthesize=1, budgets=Budgets(error_rate=1.0)
    )
    assert report.verdict == "no_verdict"


def test_a_wrong_answer_to_a_written_request_decides(engine: Engine, model: ModelFactory, tmp_path: Path) -> None:
    given = write_requests(tmp_path, {"request": PREDICT, "expect": ANSWER})
    failure = failure_of(model(**TEXT_MODEL, add=1), engine, requests=given, synthesize=1)
    assert failure.code == "response-mismatch"


def test_a_made_up_request_that_breaks_the_server_is_its_fault(engine: Engine, model: ModelFactory) -> None:
    assert failure_of(model(http_status=500), engine, synthesize=1).code == "request-failed"


def test_the_verdict_says_how_many_answers_were_compared(
    engine: Engine, model: ModelFactory, cli: Cli, tmp_path: Path
) -> None:
    given = write_requests(tmp_path, {"request": PREDICT, "expect": ANSWER}, PREDICT)
    done = cli("validate", model(), "--image", engine.image, "--requests", given, "--json", "-")
    assert done.returncode == 0, done.stderr
    assert "2 of 2 requests answered, 1 compared with an expected answer" in done.stderr
    assert "(loaded, 2 requests answered, 1 compared, " in done.stderr
    (run,) = json.loads(done.stdout)["runs"]
    assert (run["requests"]["sent"], run["requests"]["compared"], run["unasked"]) == (2, 1, {})


def test_a_blessing_without_requests_says_that_only_the_load_was_tried(
    engine: Engine, model: ModelFactory, cli: Cli
) -> None:
    done = cli("validate", model(), "--image", engine.image)
    assert done.returncode == 0
    assert "(only the load was tried, no request was sent, " in done.stderr


def test_how_long_an_answer_may_take_is_an_option(engine: Engine, model: ModelFactory, cli: Cli) -> None:
    arguments = ("validate", model(request_seconds=30), "--image", engine.image, "--synthesize", "1")
    done = cli(*arguments, "--request-timeout", "0.5")
    assert done.returncode == 1
    assert "request-timeout: synthesized request 1" in done.stderr
    assert "--request-timeout" in done.stderr


def test_an_answer_larger_than_we_read_by_default_gives_no_verdict(engine: Engine, model: ModelFactory) -> None:
    folder = model(answer_bytes=20 << 20)
    (run,) = ivdocker.validate(folder, images=[engine.image], synthesize=1).runs
    assert run.failure is not None
    assert (run.verdict, run.failure.code) == ("no_verdict", "response-too-large")
    checks = Checks(max_response_bytes=30 << 20)
    assert ivdocker.validate(folder, images=[engine.image], synthesize=1, checks=checks).blessed


def test_an_answer_beyond_our_limit_gives_no_verdict(engine: Engine, model: ModelFactory, cli: Cli) -> None:
    arguments = ("validate", model(), "--image", engine.image, "--synthesize", "1")
    done = cli(*arguments, "--max-response-size", "10")
    assert done.returncode == 3
    assert "response-too-large" in done.stderr
    assert "larger than 10 bytes" in done.stderr
    assert "--max-response-size" in done.stderr
    assert cli(*arguments, "--max-response-size", "1k").returncode == 0


@pytest.mark.parametrize(
    ("line", "options", "code"),
    [
        ({}, [], 1),
        ({}, ["--rtol=0.01"], 0),
        ({}, ["--atol=0.1"], 0),
        ({}, ["--ignore=$.predictions[0]"], 0),
        ({}, ["--ignore=$.predictions[1]"], 1),
        ({"rtol": 1e-9}, ["--rtol=0.01"], 1),
        ({"ignore": ["$.other"]}, ["--ignore=$.predictions[0]"], 1),
    ],
    ids=str,
)
def test_requests_without_a_tolerance_get_that_of_the_options(
    line: dict[str, Any], options: list[str], code: int, engine: Engine, model: ModelFactory, cli: Cli
) -> None:
    asked = {"request": {"instances": [1.0]}, "expect": {"predictions": [2.51]}, **line}
    (cli.folder / "r.jsonl").write_text(json.dumps(asked))
    done = cli("validate", model(), "--image", engine.image, "--requests=r.jsonl", *options)
    assert done.returncode == code, done.stderr


def test_what_is_ignored_is_not_compared_with_itself_either(engine: Engine, model: ModelFactory) -> None:
    checks = Checks(deterministic=True, ignore=["$.outputs"])
    assert ivdocker.validate(model(flaky=True), images=[engine.image], synthesize=1, checks=checks).blessed


@pytest.mark.parametrize(
    ("checks", "words"),
    [
        (Checks(request_timeout_s=0), "request_timeout_s must be more than 0 seconds"),
        (Checks(max_response_bytes=0), "max_response_bytes must be at least 1"),
        (Checks(rtol=-1.0), "rtol must be a number of at least 0"),
        (Checks(ignore=["id"]), "'id' is not a JSON path"),
    ],
)
def test_what_no_check_can_be_is_named_before_a_run(checks: Checks, words: str, model: ModelFactory) -> None:
    with pytest.raises(UsageError, match=words.replace("$", r"\$")):
        ivdocker.validate(model(), images=["tensorflow/serving"], synthesize=1, checks=checks)


@pytest.mark.parametrize("engine", ["docker"], indirect=True)
def test_a_ready_path_that_the_server_does_not_have_is_the_callers(
    engine: Engine, model: ModelFactory, cli: Cli
) -> None:
    routes = ["--server", "http", "--port", "8501", "--ready-path", "/v9/ready", "--env", "MODEL_NAME=half_plus_two"]
    done = cli("validate", model(), "--image", engine.image, *routes, "--timeout", "4")
    assert done.returncode == 2, done.stderr
    assert "HTTP 404 on /v9/ready" in done.stderr
    assert "give a path that the server has with --ready-path" in done.stderr
    assert engine.containers() == []
