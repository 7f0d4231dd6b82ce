"""What ivdocker adds to docker run does not rescue an image that production cannot start, and breaks none unsaid."""

from __future__ import annotations

from pathlib import Path

import pytest

import ivdocker
from ivdocker import RunOptions
from tests.conftest import ModelFactory
from tests.contract.conftest import ENTRYPOINT, BuildImage

pytestmark = pytest.mark.parametrize("engine", ["docker"], indirect=True)
START = 'exec tensorflow_model_server --port=8500 --rest_api_port=8501 --model_name="$MODEL_NAME" \\\n'
START += '  --model_base_path="$MODEL_BASE_PATH/$MODEL_NAME" "$@"\n'


def validated(image: str, model: Path, init: bool | None = None) -> ivdocker.Report:
    return ivdocker.validate(model, images=[image], server="tensorflow-serving", options=RunOptions(init=init))


@pytest.mark.parametrize("linked", [False, True])
def test_a_script_that_only_an_init_can_start_is_not_blessed(
    image_with: BuildImage, model: ModelFactory, linked: bool
) -> None:
    image = image_with(START, 'RUN ln -s ../start /usr/go\nENTRYPOINT ["/usr/go"]' if linked else ENTRYPOINT)
    report = validated(image, model())
    failure = report.runs[0].failure
    assert report.verdict == "not_blessed"
    assert failure is not None
    assert failure.code == "container-exited"
    assert "has no #! line: docker run --init starts it, docker run alone cannot" in failure.message


def test_where_production_has_an_init_it_is_blessed(image_with: BuildImage, model: ModelFactory) -> None:
    assert validated(image_with(START), model(), init=True).blessed


def test_a_script_with_its_interpreter_is_blessed(image_with: BuildImage, model: ModelFactory) -> None:
    assert validated(image_with("#!/bin/sh\n" + START), model()).blessed


def test_an_image_that_must_be_process_1_is_not_the_models_fault(image_with: BuildImage, model: ModelFactory) -> None:
    script = '#!/bin/sh\n[ $$ = 1 ] || { echo "suexec: fatal: can only run as pid 1" >&2; exit 100; }\n' + START
    image, folder = image_with(script), model()
    report = validated(image, folder)
    assert report.verdict == "no_verdict"
    assert report.runs[0].failure is not None
    assert "--no-init" in (report.runs[0].failure.hint or "")
    assert validated(image, folder, init=False).blessed
