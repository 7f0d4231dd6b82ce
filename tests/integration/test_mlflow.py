"""MLflow's real scoring server, on the real engine."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import ivdocker
from tests.conftest import Cli
from tests.integration.servers import EXAMPLES, blessed_run, failure_of, how_it_stopped, requests_file

IMAGE = "ivdocker/mlflow:3.17.2"
MODELS = EXAMPLES / "mlflow"
REQUEST = {"dataframe_split": {"columns": ["a", "b"], "data": [[4.0, 1.0]]}}

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("server_image")]


def copy(folder: Path) -> Path:
    shutil.copytree(MODELS / "linear", folder)
    return folder


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_the_example_is_blessed_with_right_answers(cli: Cli) -> None:
    run = blessed_run(cli, MODELS / "linear", IMAGE, "--requests", MODELS / "linear-requests.jsonl")
    assert run["server"] == "mlflow"
    assert (run["requests"]["sent"], run["requests"]["failed"], run["requests"]["mismatched"]) == (3, 0, 0)
    assert set(run["endpoints"]) == {"http"}


def test_made_up_requests_are_answered(cli: Cli) -> None:
    run = blessed_run(cli, MODELS / "linear", IMAGE, "--synthesize", "5")
    assert (run["requests"]["sent"], run["requests"]["failed"]) == (5, 0)


def test_it_answers_as_any_http_server_whose_paths_are_told(cli: Cli) -> None:
    """``--server http``: no server that ivdocker knows, as far as that is concerned."""
    routes = ["--server=http", "--port=8080", "--ready-path=/ping", "--predict-path=/invocations"]
    where = "--env=__pyfunc_model_path__=/models/linear"
    asked = f"--requests={MODELS / 'linear-requests.jsonl'}"
    run = blessed_run(cli, MODELS / "linear", IMAGE, *routes, where, asked)
    assert run["server"] == "http"
    assert (run["requests"]["sent"], run["requests"]["failed"], run["requests"]["mismatched"]) == (3, 0, 0)


def test_a_missing_file_is_told_with_its_name(cli: Cli) -> None:
    done = cli("validate", MODELS / "broken", "--image", IMAGE)
    assert done.returncode == 1
    assert "NOT BLESSED  broken" in done.stderr
    assert "model-load-failed" in done.stderr
    assert "/opt/ml/model/weights.json" in done.stderr


def test_a_folder_without_an_mlmodel_file_is_told(tmp_path: Path) -> None:
    model = copy(tmp_path / "plain")
    (model / "MLmodel").unlink()
    failure = failure_of(model, IMAGE)
    assert failure.code == "model-not-found"
    assert "no MLmodel file at /opt/ml/model" in failure.message


def test_a_model_without_the_python_function_flavor_is_told(tmp_path: Path) -> None:
    model = copy(tmp_path / "other")
    edit(model / "MLmodel", "python_function:", "sklearn:")
    failure = failure_of(model, IMAGE)
    assert failure.code == "model-load-failed"
    assert "no flavor 'python_function'" in failure.message


def test_a_module_that_the_image_does_not_have_is_named(tmp_path: Path) -> None:
    model = copy(tmp_path / "forest")
    edit(model / "linear.py", "import json", "import json\nimport sklearn")
    failure = failure_of(model, IMAGE)
    assert failure.code == "model-load-failed"
    assert "'sklearn'" in failure.message


CAUGHT = """
import time
import traceback

try:
    import sklearn
except ImportError:
    traceback.print_exc()
    time.sleep(2)
"""


def test_an_import_error_that_the_model_catches_is_not_fatal(tmp_path: Path) -> None:
    model = copy(tmp_path / "choosy")
    edit(model / "linear.py", "import json", f"import json{CAUGHT}")
    report = ivdocker.validate(model, images=[IMAGE], requests=requests_file(tmp_path, REQUEST), timeout_s=60)
    assert report.blessed, report.runs[0].failure


def test_a_caught_import_error_does_not_hide_why_the_model_cannot_load(tmp_path: Path) -> None:
    model = copy(tmp_path / "rotten")
    edit(model / "linear.py", "import json", f"import json{CAUGHT}")
    edit(model / "linear.py", "    with open", "    raise ValueError('the weights are rotten')\n    with open")
    failure = failure_of(model, IMAGE)
    assert not failure.is_environment
    assert "the weights are rotten" in failure.message
    assert "sklearn" not in failure.message


def test_a_request_that_fails_shows_its_own_traceback(tmp_path: Path) -> None:
    model = copy(tmp_path / "bad")
    source = (model / "linear.py").read_text()
    (model / "linear.py").write_text(source + BREAKS)
    failure = failure_of(model, IMAGE, requests=requests_file(tmp_path, REQUEST))
    assert failure.code == "request-failed"
    assert not any("GET /ping" in line for line in failure.log_tail)


BREAKS = """

def _broken(*_arguments, **_options):
    import sklearn


for _value in list(globals().values()):
    if isinstance(_value, type) and hasattr(_value, "predict"):
        _value.predict = _broken
"""


def test_several_processes_that_die_of_the_model_are_the_models_fault(tmp_path: Path) -> None:
    model = copy(tmp_path / "forest")
    edit(model / "linear.py", "import json", "import json\nimport sklearn")
    options = ivdocker.RunOptions(env={"WEB_CONCURRENCY": "2"})
    failure = ivdocker.validate(model, images=[IMAGE], options=options, timeout_s=60).runs[0].failure
    assert failure is not None
    assert failure.code == "model-load-failed"
    assert "'sklearn'" in failure.message


def test_a_model_that_loads_slowly_is_asked_only_when_it_is_ready(tmp_path: Path) -> None:
    model = copy(tmp_path / "slow")
    edit(model / "linear.py", "    with open", "    time.sleep(3)\n    with open")
    edit(model / "linear.py", "import json", "import json\nimport time")
    report = ivdocker.validate(model, images=[IMAGE], requests=requests_file(tmp_path, REQUEST), timeout_s=60)
    assert report.blessed, report.runs[0].failure


def test_a_request_that_the_signature_refuses_fails_with_mlflows_words(tmp_path: Path) -> None:
    wrong = {"dataframe_split": {"columns": ["a"], "data": [[4.0]]}}
    failure = failure_of(MODELS / "linear", IMAGE, requests=requests_file(tmp_path, REQUEST, wrong))
    assert failure.code == "request-failed"
    assert "requests.jsonl:2: HTTP 400" in failure.message
    assert "missing inputs ['b']" in failure.message


def test_the_model_that_is_served_answers() -> None:
    with ivdocker.serve(MODELS / "linear", image=IMAGE) as server:
        assert server.predict(REQUEST) == {"predictions": [3.0]}


def test_it_stops_at_the_first_signal(tmp_path: Path) -> None:
    signals, code = how_it_stopped(MODELS / "linear", IMAGE, tmp_path)
    assert signals == ["15"]
    assert code == "143", "uvicorn raises the signal anew once it has shut down"


A_AND_B = [{"type": "double", "name": "a", "required": True}, {"type": "double", "name": "b", "required": True}]


def with_signature(folder: Path, inputs: list[dict[str, object]], answer: str = "[1.0] * len(table)") -> Path:
    """The example with another signature, and with what it answers to a table."""
    model = copy(folder)
    (model / "serving_input_example.json").unlink()
    edit(model / "MLmodel", json.dumps(A_AND_B), json.dumps(inputs))
    code = (model / "linear.py").read_text()
    first, last = code.index("        y = "), code.index("    def") and code.index("def _load_pyfunc")
    (model / "linear.py").write_text(f"{code[:first]}        return {answer}\n\n\n{code[last:]}")
    return model


@pytest.mark.parametrize(
    "inputs",
    [
        [{"type": "double", "name": 0, "required": True}, {"type": "long", "name": 1, "required": True}],
        [{"type": "double", "required": True}, {"type": "double", "required": True}],
        [
            {"type": "datetime", "name": "t", "required": True},
            {"type": "binary", "name": "b", "required": True},
            {"type": "any", "name": "x", "required": False},
        ],
    ],
    ids=["numbered", "unnamed", "types"],
)
def test_made_up_requests_fit_every_column(tmp_path: Path, inputs: list[dict[str, object]]) -> None:
    report = ivdocker.validate(with_signature(tmp_path / "model", inputs), images=[IMAGE], synthesize=2)
    assert report.blessed, report.runs[0].failure


def test_no_value_is_made_up_for_an_object(tmp_path: Path) -> None:
    inputs: list[dict[str, object]] = [{"type": "map", "values": {"type": "string"}, "name": "m", "required": True}]
    report = ivdocker.validate(with_signature(tmp_path / "model", inputs), images=[IMAGE], synthesize=2)
    assert report.runs[0].failure is not None
    assert (report.verdict, report.runs[0].failure.code) == ("no_verdict", "no-request")
    assert "'m'" in report.runs[0].failure.message


@pytest.mark.parametrize(
    ("content", "options"),
    [
        ("a;b;label\n4;1;yes\n;1;no\n", ["--ignore-columns=label"]),
        ("4,1\n2,0\n", []),
        (",b,a\n0,1,4\n", ["--ignore-columns=1"]),
    ],
    ids=["semicolons", "no header", "index"],
)
def test_a_table_as_people_have_it_is_sent(cli: Cli, content: str, options: list[str]) -> None:
    (cli.folder / "r.csv").write_text(content)
    run = blessed_run(cli, MODELS / "linear", IMAGE, "--requests=r.csv", *options)
    assert run["requests"]["sent"] == content.count("\n") - content.startswith(("a", ","))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a,b,label\n4,1,yes\n", "r.csv:2: the model has no input 'label' (it takes a, b); leave the column out with"),
        ("4.5,1,yes\n", "r.csv:1: the number of fields is 3, and the file has no header"),
        ("a,b\n4,one\n", "r.csv:2: column 'b': 'one' is not a float"),
    ],
)
def test_a_table_that_does_not_fit_the_signature_is_told_before_the_start(cli: Cli, content: str, words: str) -> None:
    (cli.folder / "r.csv").write_text(content)
    done = cli("validate", MODELS / "linear", "--image", IMAGE, "--requests=r.csv")
    assert done.returncode == 2
    assert words in done.stderr
    assert "docker run" not in done.stderr
