"""Which images of this machine were perhaps meant."""

from __future__ import annotations

import pytest

from ivdocker.container.similar_images import has_tag, similar

KNOWN = ["ivdocker/triton:24.10", "ivdocker/triton:24.09", "registry:5000/team/server:1", "ivdocker/mlserver:1.7.1"]


@pytest.mark.parametrize(
    ("image", "found"),
    [
        ("ivdocker/triton", ["ivdocker/triton:24.10", "ivdocker/triton:24.09"]),
        ("ivdocker/triton:24.11", ["ivdocker/triton:24.10", "ivdocker/triton:24.09"]),
        ("ivdocker/triton:24.10", ["ivdocker/triton:24.09"]),
        ("registry:5000/team/server", ["registry:5000/team/server:1"]),
        ("ivdocker/mlsever:1.7.1", ["ivdocker/mlserver:1.7.1"]),
        ("tensorflow/serving", []),
    ],
)
def test_another_tag_or_else_a_similar_name(image: str, found: list[str]) -> None:
    assert similar(image, KNOWN) == found


@pytest.mark.parametrize(
    ("image", "expected"),
    [("a/b", False), ("a:5000/b", False), ("a:5000/b:1", True), ("b:1", True), ("b@sha256:12", True)],
)
def test_a_registrys_port_is_no_tag(image: str, expected: bool) -> None:
    assert has_tag(image) == expected
