"""Requests that are made up, answers that are checked, recorded, and compared between images."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

import ivdocker
from ivdocker import Budgets, Checks, Observer, UsageError
from ivdocker.requests.read import files
from tests.conftest import Cli, Engine, ModelFactory
from tests.contract.test_validate import ANSWER, PREDICT, failure_of, write_requests


def test_made_up_requests_are_sent_and_shown(engine: Engine, model: ModelFactory, cli: Cli) -> None:
    done = cli("validate", model(), "--image", engine.image, "--synthesize", "-v", "--evidence", "evidence")
    assert done.returncode == 0, done.stderr
    assert "3 of 3 requests answered, 0 compared with an expected answer" in done.stderr
    shown = [line for line in done.stderr.splitlines() if line.startswith("request ")]
    (file,) = cli.folder.glob("evidence/*/requests.jsonl")
    written = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert [len(record["request"]["inputs"]["x"]) for record in written] == [1, 2, 8]
    assert all(json.dumps(record["request"]) in line for record, line in zip(written, shown, strict=True))
    assert written[0]["where"] == "synthesized request 1 (seed 0)"


def test_requests_of_a_file_and_made_up_ones_are_both_sent(engine: Engine, model: ModelFactory, tmp_path: Path) -> None:
    given = write_requests(tmp_path, PREDICT)
    (run,) = ivdocker.validate(model(), images=[engine.image], requests=given, synthesize=2, seed=7).runs
    assert (run.verdict, run.requests.sent) == ("blessed", 3)


@pytest.mark.parametrize(
    ("standin", "words"),
    [({"inputs": {}}, "the inputs of model 'half_plus_two' are not known"), ({"inputs": {"x": "DT_HALF"}}, "DT_HALF")],
    ids=["none", "half"],
)
def test_where_no_request_can_be_made_up_there_is_no_verdict(
    standin: dict[str, Any], words: str, engine: Engine, model: ModelFactory, cli: Cli
) -> None:
    done = cli("validate", model(**standin), "--image", engine.image, "--synthesize")
    assert done.returncode == 3
    assert "NO VERDICT" in done.stderr
    assert f"no-request: no request could be made up: {words}"[:40] in done.stderr
    assert words in done.stderr
    assert "give requests with --requests FILE" in done.stderr


def test_a_wrong_answer_weighs_more_than_a_request_that_cannot_be_made_up(
    engine: Engine, model: ModelFactory, tmp_path: Path
) -> None:
    given = write_requests(tmp_path, {"request": PREDICT, "expect": ANSWER})
    failure = failure_of(model(inputs={}, add=1), engine, requests=given, synthesize=1)
    assert failure.code == "response-mismatch"


def test_requests_that_cannot_be_made_are_no_share_that_may_fail(
    engine: Engine, model: ModelFactory, tmp_path: Path
) -> None:
    given = write_requests(tmp_path, {"request": PREDICT, "expect": ANSWER})
    budgets = Budgets(error_rate=0.5)
    report = ivdocker.validate(model(inputs={}), images=[engine.image], requests=given, synthesize=1, budgets=budgets)
    assert report.verdict == "no_verdict"
    assert report.runs[0].failure is not None
    assert report.runs[0].failure.code == "no-request"


@pytest.mark.parametrize(
    ("standin", "what", "code", "words"),
    [
        ({"nan": True}, {}, "response-mismatch", "at $.outputs[0]: NaN, but the request has none"),
        ({"error_in_200": True}, {}, "request-failed", "contains an error: scripted by the stand-in"),
        ({"drop": 1}, {}, "response-mismatch", "output 'y' has the batch size 0, but the request has 1"),
        ({"html": True}, {}, "request-failed", "not JSON (text/html): '<html><body>It works!</body></html>'"),
        (
            {"flaky": True},
            {"checks": Checks(deterministic=True)},
            "response-mismatch",
            "the same request got two different responses",
        ),
    ],
    ids=lambda value: next(iter(value), "") if isinstance(value, dict) else "",
)
def test_every_answer_is_checked(
    standin: dict[str, Any], what: dict[str, Any], code: str, words: str, engine: Engine, model: ModelFactory
) -> None:
    failure = failure_of(model(**standin), engine, synthesize=2, **what)
    assert failure.code == code
    assert failure.message.startswith("synthesized request 1 (seed 0): ")
    assert words in failure.message


def test_what_is_recorded_is_blessed_again_and_not_with_another_model(
    engine: Engine, model: ModelFactory, cli: Cli
) -> None:
    folder = model()
    arguments = ("validate", folder, "--image", engine.image)
    done = cli(*arguments, "--synthesize", "2", "--deterministic", "--record", "recorded.jsonl")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (0, "recorded 2 requests and answers in recorded.jsonl")
    assert len(files.load(cli.folder / "recorded.jsonl")) == 2
    assert cli(*arguments, "--requests", "recorded.jsonl").returncode == 0
    (folder / "1" / "standin.json").write_text('{"add": 1}')
    done = cli(*arguments, "--requests", "recorded.jsonl", "--record", "recorded.jsonl")
    assert done.returncode == 1
    assert "response-mismatch: recorded.jsonl:1: wrong response at $.outputs[0]: number differs" in done.stderr
    assert "nothing recorded in recorded.jsonl" in done.stderr
    assert len(files.load(cli.folder / "recorded.jsonl")) == 2
    assert os.listdir(cli.folder) == ["recorded.jsonl"]


def test_nothing_is_left_of_a_recording_that_fails(engine: Engine, model: ModelFactory, tmp_path: Path) -> None:
    place = tmp_path / "records"
    place.mkdir()
    failure_of(model(nan=True), engine, synthesize=1, record=place / "recorded.jsonl")
    assert os.listdir(place) == []


class Changing(Observer):
    """Changes the model once its first server is stopped."""

    def __init__(self, model: Path, standin: str) -> None:
        self.file, self.standin = model / "1" / "standin.json", standin

    def stage(self, image: str, stage: str, seconds: float, text: str) -> None:
        del image, seconds, text
        if stage == "stop" and not self.file.exists():
            self.file.write_text(self.standin)


@pytest.mark.parametrize(
    ("standin", "rtol", "verdicts"),
    [
        ('{"add": 1}', 1e-5, ["blessed", "not_blessed", "not_blessed"]),
        ('{"add": 1}', 0.5, ["blessed", "blessed", "blessed"]),
        ("{}", 1e-5, ["blessed", "blessed", "blessed"]),
    ],
)
def test_the_others_must_answer_as_the_image_of_against_does(
    standin: str, rtol: float, verdicts: list[str], engine: Engine, model: ModelFactory, tmp_path: Path
) -> None:
    folder = model()
    report = ivdocker.validate(
        folder,
        images=[engine.image] * 2,
        requests=write_requests(tmp_path, {"request": PREDICT, "rtol": rtol}),
        checks=Checks(against=engine.image),
        jobs=2,
        observer=Changing(folder, standin),
    )
    assert [run.verdict for run in report.runs] == verdicts
    if not report.blessed:
        failure = report.runs[1].failure
        assert failure is not None
        assert (
            f":1, compared with the response of {engine.image}: wrong response at $.predictions[0]" in failure.message
        )
        assert "expected 2.5, got 3.5" in failure.message


def test_a_reference_that_is_not_blessed_is_the_verdict(engine: Engine, model: ModelFactory, cli: Cli) -> None:
    arguments = ("--image", engine.image, "--against", engine.image, "--synthesize", "--json", "-")
    done = cli("validate", model(nan=True), *arguments)
    assert done.returncode == 1
    (run,) = json.loads(done.stdout)["runs"]
    assert run["failure"]["code"] == "response-mismatch"
    assert "(the image of --against; the others need its answers and were not run)" in run["failure"]["message"]


@pytest.mark.parametrize(
    ("option", "what"),
    [
        ("--record", {"record": "x"}),
        ("--deterministic", {"checks": Checks(deterministic=True)}),
        ("--against", {"checks": Checks(against="tensorflow/serving")}),
    ],
)
def test_what_needs_requests_says_so(option: str, what: dict[str, Any], model: ModelFactory) -> None:
    with pytest.raises(UsageError, match=f"{option} without requests to send"):
        ivdocker.validate(model(), images=["tensorflow/serving"], **what)


def test_a_number_that_is_none_is_told_with_what_to_write(model: ModelFactory, cli: Cli) -> None:
    done = cli("validate", "--image", "tensorflow/serving", "--synthesize", model())
    assert done.returncode == 2
    assert "put MODEL before it, or write --synthesize=3" in done.stderr
    with pytest.raises(UsageError, match="synthesize must be at least 0, not -1"):
        ivdocker.validate(cli.folder, images=["tensorflow/serving"], synthesize=-1)


def test_a_rehearsal_says_which_requests_cannot_be_shown(model: ModelFactory, cli: Cli) -> None:
    images = ("--image", "tensorflow/serving:2", "--against", "tensorflow/serving:1")
    done = cli("validate", model(), *images, "--synthesize", "2", "--dry-run")
    assert done.returncode == 0
    assert done.stdout.index("tensorflow/serving:1") < done.stdout.index("tensorflow/serving:2")
    assert "# 2 requests made up for the inputs that the server names, with the seed 0" in done.stdout
