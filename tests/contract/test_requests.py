"""Requests in every format, asked of a server that runs; and the warm-up folder that comes of them."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy
import pytest
from tfrecord import TFRecordWriter, tfrecord_iterator  # type: ignore[import-untyped]

import ivdocker
from ivdocker import Checks, UsageError
from ivdocker.requests.read.files import load
from ivdocker.requests.warmup import FILE
from tests.conftest import Cli, Engine, ModelFactory
from tests.contract.test_bad_input import assert_refused
from tests.fakes.verbs import IMAGE

LINE = {"request": {"instances": [1.0, 2.0]}, "expect": {"predictions": [2.5, 3.0]}}


def formats(folder: Path) -> Path:
    """A directory with a file of each format; half_plus_two has one input, x, a vector of floats."""
    folder.mkdir()
    (folder / "1.jsonl").write_text(json.dumps(LINE) + '\n{"request": {}, "status": 400}\n')
    (folder / "2.json").write_text(json.dumps([LINE, LINE]))
    (folder / "3.jsonl.gz").write_bytes(gzip.compress(json.dumps(LINE).encode()))
    (folder / "4.csv").write_text("x\n1.5\n2\n")
    numpy.save(folder / "5.npy", numpy.array([1.0, 2.0]))
    numpy.savez(folder / "6.npz", x=numpy.array([3.0]))
    writer = TFRecordWriter(str(folder / "7.tfrecord"))
    writer.write({"x": ([4.0], "float"), "label": ([1], "int")})
    writer.close()
    return folder


def test_requests_of_every_format_are_answered(engine: Engine, model: ModelFactory, tmp_path: Path) -> None:
    report = ivdocker.validate(model(), images=[engine.image], requests=formats(tmp_path / "requests"))
    (run,) = report.runs
    assert run.failure is None
    assert (run.requests.sent, run.requests.failed) == (10, 0)


DOCS = Path(__file__).parents[2] / "docs" / "requests.md"


def documented(language: str) -> str:
    """The example of a format."""
    return DOCS.read_text("utf-8").partition(f"```{language}\n")[2].partition("```")[0]


def test_the_documented_examples_are_requests(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "cat.jpg").write_bytes(b"\xff\xd8")
    for language, count in (("jsonl", 4), ("json", 2), ("csv", 2)):
        (tmp_path / f"r.{language}").write_text(documented(language))
        assert len(load(tmp_path / f"r.{language}")) == count


def test_the_documented_keys_are_those_that_are_known(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text('{"request": {}, "nosuch": 1}')
    with pytest.raises(UsageError) as caught:
        load(tmp_path / "r.jsonl")
    known = str(caught.value).rpartition("known: ")[2].split(", ")
    table = DOCS.read_text("utf-8").partition("| key | |")[2].partition("\n\n")[0]
    documented_keys = {key for row in table.splitlines() for key in re.findall(r"`(\w+)`", row[: row.find("|", 1)])}
    assert documented_keys == set(known)


def test_requests_may_come_from_standard_input(engine: Engine, model: ModelFactory, cli: Cli) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ivdocker", "validate", model(), "--image", engine.image, "--requests=-"],
        input=json.dumps(LINE) + "\n" + json.dumps({**LINE, "expect": {"predictions": [2.5, 3.5]}}),
        capture_output=True, text=True, timeout=60, cwd=cli.folder, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "response-mismatch: <stdin>:2: wrong response at $.predictions[1]" in done.stderr


def test_a_row_that_cannot_be_sent_says_nothing_about_the_model(
    engine: Engine, model: ModelFactory, tmp_path: Path
) -> None:
    (tmp_path / "r.csv").write_text("x,z\n1,2\n")
    (run,) = ivdocker.validate(model(), images=[engine.image], requests=tmp_path / "r.csv").runs
    assert run.failure is not None
    assert (run.verdict, run.failure.code) == ("no_verdict", "no-request")
    assert "r.csv:2: the model has no input 'z' (it takes x)" in run.failure.message


def test_a_dry_run_shows_each_request(model: ModelFactory, cli: Cli, tmp_path: Path) -> None:
    folder = formats(tmp_path / "requests")
    (folder / "cat.jpg").write_bytes(b"\xff\xd8")
    done = cli("validate", model(), "--image", IMAGE, "--dry-run", "--requests", folder)
    assert done.returncode == 0
    assert "--data-binary @- http://$(docker port" in done.stdout
    assert f"< {folder}/cat.jpg" in done.stdout
    assert f"# {folder}/6.npz: its body is made once the loaded model has reported its inputs" in done.stdout


def test_the_warm_up_folder_is_a_model_that_loads(
    engine: Engine, model: ModelFactory, cli: Cli, tmp_path: Path
) -> None:
    folder = formats(tmp_path / "requests")
    done = cli("validate", model(), "--image", engine.image, "--requests", folder, "--warmup", "warm/1")
    assert done.returncode == 0, done.stderr
    assert "9 warm-up requests in" in done.stderr.splitlines()[-1]
    assert len(list(tfrecord_iterator(str(cli.folder / "warm/1" / FILE)))) == 9
    assert ivdocker.validate(cli.folder / "warm", images=[engine.image]).blessed


def test_a_model_that_is_not_blessed_gets_no_warm_up_folder(
    engine: Engine, model: ModelFactory, tmp_path: Path
) -> None:
    (tmp_path / "r.jsonl").write_text(json.dumps(LINE))
    report = ivdocker.validate(
        model(add=1), images=[engine.image], requests=tmp_path / "r.jsonl", warmup=tmp_path / "warm"
    )
    assert not report.blessed
    assert not (tmp_path / "warm").exists()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--warmup=out"], ["--warmup", "without requests"]),
        (["--warmup=full", "--requests=r.jsonl"], ["--warmup", "full", "is not empty"]),
        (["--warmup=out", "--requests=r.jsonl", "--server=triton"], ["--warmup", "only TensorFlow Serving"]),
        (["--requests=cut.tfrecord"], ["cut.tfrecord: record 1: cut short"]),
        (["--requests=bomb.jsonl.gz"], ["bomb.jsonl.gz:1: longer than 64 MiB"]),
        (["--requests=pickled.npy"], ["pickled.npy", "Object arrays cannot be loaded"]),
        (["--requests=-"], ["'<stdin>' is empty"]),
    ],
)
def test_what_cannot_be_is_one_line_before_docker_is_called(
    args: list[str], words: list[str], cli: Cli, tmp_path: Path
) -> None:
    version = cli.folder / "m" / "1"
    version.mkdir(parents=True)
    (version / "saved_model.pb").touch()
    (cli.folder / "full").mkdir()
    (cli.folder / "full" / "file").touch()
    (cli.folder / "r.jsonl").write_text("{}")
    (cli.folder / "cut.tfrecord").write_bytes(b"cut")
    with gzip.open(cli.folder / "bomb.jsonl.gz", "wb") as bomb:
        for _ in range(65):
            bomb.write(b"[" * 2**20)
    numpy.save(cli.folder / "pickled.npy", numpy.array([{}], dtype=object))
    before = sorted(os.listdir(cli.folder))
    image = "tensorflow/serving:1" if "--server=triton" not in args else "team/other:1"
    done = cli("validate", "m", "--image", image, *args, env={"PATH": str(tmp_path)})
    assert_refused(done, 2, *words)
    assert sorted(os.listdir(cli.folder)) == before


def test_another_image_must_answer_as_the_first_whatever_the_format(
    engine: Engine, model: ModelFactory, tmp_path: Path
) -> None:
    requests = formats(tmp_path / "requests")
    what: dict[str, Any] = {
        "checks": Checks(against=engine.image),
        "warmup": tmp_path / "warm",
        "record": tmp_path / "recorded.jsonl",
    }
    report = ivdocker.validate(model(), images=[engine.image], requests=requests, **what)
    assert report.blessed, report.runs[-1].failure
    assert [run.requests.sent for run in report.runs] == [10, 10]
    assert len(load(tmp_path / "recorded.jsonl")) == 10
    assert len(list(tfrecord_iterator(str(tmp_path / "warm" / FILE)))) == 9


def test_requests_that_were_made_up_can_warm_up(engine: Engine, model: ModelFactory, tmp_path: Path) -> None:
    report = ivdocker.validate(model(), images=[engine.image], synthesize=3, warmup=tmp_path / "warm")
    assert report.blessed
    assert len(list(tfrecord_iterator(str(tmp_path / "warm" / FILE)))) == 3
