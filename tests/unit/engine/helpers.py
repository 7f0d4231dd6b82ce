"""What the tests of command lines share."""

from __future__ import annotations

FIXED = {"run", "--detach", "--pull=never", "--init", "--name=ivdocker-x-1"}


def options_of(words: list[str]) -> list[str]:
    """What stands before the image beyond that which every run has."""
    assert words[0] == "run"
    before = words[: words.index("image:1")]
    assert set(before) >= FIXED
    return [word for word in before if word not in FIXED]
