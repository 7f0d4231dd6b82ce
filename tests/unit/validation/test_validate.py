"""What the front doors refuse before anything is started, each in one line."""

from __future__ import annotations

import inspect
from typing import Any, get_type_hints

import pytest

import ivdocker
from ivdocker import Budgets, Checks, RunOptions, UsageError, serve, validate

IMAGE = "tensorflow/serving:2.19.0"


@pytest.mark.parametrize("image", ["-x", "--privileged", "", "a b", "image:1 --privileged", "image\n"])
def test_an_image_that_docker_could_take_for_something_else_is_refused(image: str, tmp_path: object) -> None:
    with pytest.raises(UsageError, match="is not the name of an image"):
        validate(str(tmp_path), images=[image], server="tensorflow-serving")


@pytest.mark.parametrize("image_name", ["--privileged", "-v/:/host"])
def test_an_image_of_a_serving_spec_that_starts_with_a_dash_is_refused(image_name: str, tmp_path: object) -> None:
    spec = {"tensorflow_serving": {"image_name": image_name, "tags": ["1"]}}
    with pytest.raises(UsageError, match="is not the name of an image"):
        validate(str(tmp_path), spec=spec)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            {"images": "a/b:1"},
            "images must be a list of str or a tuple of str, not str 'a/b:1'; write images=['a/b:1']",
        ),
        ({"images": [IMAGE, 1]}, "images must be a list of str or a tuple of str, not list"),
        ({"options": {}}, "options must be RunOptions, not dict {}; write options=ivdocker.RunOptions(...)"),
        ({"budgets": {"p95_ms": 5}}, "budgets must be Budgets, not dict"),
        ({"checks": None}, "checks must be Checks, not NoneType None"),
        ({"synthesize": "3"}, "synthesize must be int, not str '3'"),
        ({"synthesize": True}, "synthesize must be int, not bool True"),
        ({"synthesize": 2.5}, "synthesize must be int, not float 2.5"),
        ({"timeout_s": "5"}, "timeout_s must be float, not str '5'"),
        ({"jobs": None}, "jobs must be int, not NoneType None"),
        ({"requests": 5}, "requests must be str or PathLike or a list or None, not int 5"),
        ({"model_name": 5}, "model_name must be str or None, not int 5"),
        ({"options": RunOptions(docker_args="--privileged")}, "options.docker_args must be a tuple of str, not str"),  # type: ignore[arg-type]
        ({"options": RunOptions(env="A=b")}, "options.env must be a dict, not str 'A=b'"),  # type: ignore[arg-type]
        ({"options": RunOptions(pull="sometimes")}, "options.pull must be 'missing' or 'always' or 'never', not str"),  # type: ignore[arg-type]
        ({"budgets": Budgets(memory_bytes="2g")}, "budgets.memory_bytes must be int or None, not str '2g'"),  # type: ignore[arg-type]
        ({"checks": Checks(repeat="2")}, "checks.repeat must be int, not str '2'"),  # type: ignore[arg-type]
    ],
)
def test_an_argument_of_another_type_is_one_clear_error(arguments: dict[str, Any], said: str, tmp_path: object) -> None:
    with pytest.raises(UsageError) as caught:
        validate(str(tmp_path), **{"images": [IMAGE], **arguments})
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_serve_checks_the_types_too(tmp_path: object) -> None:
    with (
        pytest.raises(UsageError, match=r"image must be str, not list"),
        serve(str(tmp_path), image=[IMAGE]),  # type: ignore[arg-type]
    ):
        pass


@pytest.mark.parametrize("front_door", [validate, serve])
def test_an_unknown_name_is_the_callers_error(front_door: Any, tmp_path: object) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'timeout'"):
        front_door(str(tmp_path), timeout=3)


@pytest.mark.parametrize("front_door", [validate, serve])
def test_every_parameter_of_a_front_door_is_spelled_out_and_told(front_door: Any) -> None:
    signature = inspect.signature(front_door)
    kinds = {parameter.kind for parameter in signature.parameters.values()}
    assert kinds == {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
    assert set(signature.parameters) <= set(get_type_hints(inspect.unwrap(front_door)))
    documented = inspect.getdoc(front_door) or ""
    assert [name for name in signature.parameters if f"``{name}``" not in documented] == []


@pytest.mark.parametrize("record", [RunOptions, Budgets, Checks])
def test_every_field_of_a_front_doors_record_is_told(record: Any) -> None:
    assert record.__name__ in ivdocker.__all__
    assert [name for name in record._fields if f"``{name}``" not in (record.__doc__ or "")] == []
