"""What the tests of real model servers ask of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ivdocker
from ivdocker.container.options import RunOptions
from tests.conftest import Cli

EXAMPLES = Path(__file__).parents[2] / "docs/examples"


def requests_file(folder: Path, *lines: Any) -> Path:
    """A requests file of these lines."""
    path = folder / "requests.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def blessed_run(cli: Cli, model: Path, image: str, *options: str | Path) -> Any:
    """The JSON report's only run, of a model that is blessed."""
    done = cli("validate", model, "--image", image, *options, "--json", "-", timeout=300)
    assert done.returncode == 0, done.stderr
    (run,) = json.loads(done.stdout)["runs"]
    return run


def failure_of(model: Path, image: str, **what: Any) -> ivdocker.Failure:
    """Why the model is not blessed."""
    report = ivdocker.validate(model, images=[image], **{"timeout_s": 120, **what})
    assert report.verdict == "not_blessed"
    failure = report.runs[0].failure
    assert failure is not None
    return failure


def how_it_stopped(model: Path, image: str, evidence: Path) -> tuple[list[str], str]:
    """The signals that the server got once its model was ready, and its exit code, as the engine's events tell them."""
    assert ivdocker.validate(model, images=[image], options=RunOptions(evidence=evidence)).blessed
    (journal,) = evidence.glob("*/events.jsonl")
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    signals = [event["Actor"]["Attributes"]["signal"] for event in events if event["Action"] == "kill"]
    (code,) = [event["Actor"]["Attributes"]["exitCode"] for event in events if event["Action"] == "die"]
    return signals, code


def linear_model(folder: Path, **more: object) -> Path:
    """A folder with weights.json, as the examples of KServe and Vertex read it."""
    folder.mkdir()
    (folder / "weights.json").write_text(json.dumps({"weights": [0.5, -1.0], "bias": 2.0, **more}))
    return folder
