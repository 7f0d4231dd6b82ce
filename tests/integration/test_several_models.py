"""A server of several models: each of them gets requests, or the verdict names it. On the real engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Cli
from tests.contract.test_validate import PREDICT
from tests.fakes.verbs import IMAGE
from tests.integration.servers import failure_of, requests_file

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("server_image")]

CONFIG = """model_config_list {{
  config {{ name: 'one' base_path: '/models/one' model_platform: 'tensorflow' }}
  config {{ name: 'two' base_path: '/models/two' model_platform: 'tensorflow' }}
}}
"""


def two_models(folder: Path, **standin: object) -> Path:
    """Models ``one`` and ``two``; the arguments are the stand-in's faults of ``two``."""
    for name in ("one", "two"):
        (folder / name / "1").mkdir(parents=True)
        (folder / name / "1" / "saved_model.pb").write_text("half_plus_two\n")
    (folder / "two" / "1" / "standin.json").write_text(json.dumps(standin))
    (folder / "models.config").write_text(CONFIG.format())
    return folder


def test_every_model_of_a_server_gets_requests(cli: Cli, tmp_path: Path) -> None:
    folder = two_models(tmp_path / "both")
    arguments = ("validate", folder, "--image", IMAGE, "--synthesize", "2", "--evidence", "evidence")
    done = cli(*arguments)
    assert done.returncode == 0, done.stderr
    assert "4 of 4 requests answered" in done.stderr
    assert "no request for" not in done.stderr
    (file,) = cli.folder.glob("evidence/*/requests.jsonl")
    places = [json.loads(line)["where"] for line in file.read_text("utf-8").splitlines()]
    assert [place for place in places if "for model 'two'" in place] == places[2:]


def test_a_later_model_that_answers_wrongly_is_not_blessed(tmp_path: Path) -> None:
    failure = failure_of(two_models(tmp_path / "both", nan=True), IMAGE, synthesize=1)
    assert failure.code == "response-mismatch"
    assert "for model 'two'" in failure.message


@pytest.mark.parametrize("synthesized", [True, False])
def test_the_verdict_names_the_models_that_got_no_request(cli: Cli, tmp_path: Path, synthesized: bool) -> None:
    folder = two_models(tmp_path / "both", inputs={"x": "DT_HALF"})
    what = ["--synthesize=1"] if synthesized else ["--requests", requests_file(tmp_path, PREDICT)]
    done = cli("validate", folder, "--image", IMAGE, *what, "--json", "-")
    assert done.returncode == 0, done.stderr
    assert "(loaded, 1 request answered, 0 compared, no request for two, " in done.stderr
    (run,) = json.loads(done.stdout)["runs"]
    assert list(run["unasked"]) == ["two"]
    assert ("DT_HALF" in run["unasked"]["two"]) == synthesized
