"""What is refused before anything is started."""

from __future__ import annotations

import pytest

from ivdocker.errors import UsageError
from ivdocker.validation import validate


@pytest.mark.parametrize("image", ["-x", "--privileged", "", "a b", "image:1 --privileged", "image\n"])
def test_an_image_that_docker_could_take_for_something_else_is_refused(image: str, tmp_path: object) -> None:
    with pytest.raises(UsageError, match="is no name of an image"):
        validate.plan(str(tmp_path), images=[image], server="tensorflow-serving")


@pytest.mark.parametrize("image_name", ["--privileged", "-v/:/host"])
def test_an_image_of_a_serving_spec_that_starts_with_a_dash_is_refused(image_name: str, tmp_path: object) -> None:
    spec = {"tensorflow_serving": {"image_name": image_name, "tags": ["1"]}}
    with pytest.raises(UsageError, match="is no name of an image"):
        validate.plan(str(tmp_path), spec=spec)
