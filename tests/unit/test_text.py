"""Text for people, and what they write as a size or an age."""

from __future__ import annotations

import pytest

from ivdocker.text import one_line, parse_age, parse_size, plural, shorten


def test_a_long_text_is_cut_and_ends_in_dots() -> None:
    assert shorten("abc", 3) == "abc"
    assert shorten("abcd", 3) == "abc ..."
    assert one_line(" a\n\tb  c ") == "a b c"
    assert one_line("a\nb", 2) == "a  ..."


def test_one_is_singular() -> None:
    assert [plural(count, "request") for count in (0, 1, 2)] == ["0 requests", "1 request", "2 requests"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("512", 512), ("512b", 512), ("2k", 2048), ("512m", 512 << 20), ("2g", 2 << 30), ("1.5GB", 3 << 29)],
)
def test_a_size_is_written_as_docker_writes_it(text: str, expected: int) -> None:
    assert parse_size(text) == expected


@pytest.mark.parametrize("text", ["", "big", "-1", "2 gigs", "2x", "1.2.3g"])
def test_what_is_not_a_size_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(text)


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("30m", 1800), ("2h", 7200), ("7d", 604800)])
def test_an_age_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert parse_age(text) == seconds


@pytest.mark.parametrize("text", ["", "2", "h", "-1h", "1w", "1.5h"])
def test_what_is_not_an_age_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time"):
        parse_age(text)
