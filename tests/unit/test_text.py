"""Text for people, and what they write as a size or an age."""

from __future__ import annotations

import pytest

from ivdocker.text import docker_cpus, docker_size, one_line, parse_age, parse_size, plural, shorten


def test_a_long_text_is_cut_and_ends_in_dots() -> None:
    assert shorten("abc", 3) == "abc"
    assert shorten("abcd", 3) == "abc ..."
    assert one_line(" a\n\tb  c ") == "a b c"
    assert one_line("a\nb", 2) == "a  ..."


def test_one_is_singular() -> None:
    assert [plural(count, "request") for count in (0, 1, 2)] == ["0 requests", "1 request", "2 requests"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("512", 512),
        ("512b", 512),
        ("2k", 2048),
        ("512m", 512 << 20),
        ("2g", 2 << 30),
        ("1.5GB", 3 << 29),
        ("2Gi", 2 << 30),
        ("64Mi", 64 << 20),
    ],
)
def test_a_size_is_written_as_docker_writes_it(text: str, expected: int) -> None:
    assert parse_size(text) == expected


@pytest.mark.parametrize("text", ["", "big", "-1", "2 gigs", "2x", "1.2.3g", "2i", "2ib", "2bb", "1e9", "2Gi0"])
def test_what_is_not_a_size_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2Gi", "2g"), ("512Mi", "512m"), ("2g", "2g"), ("1.5 GB", "1.5g"), ("4096", "4096"), ("9b", "9b")],
)
def test_kubernetes_sizes_become_dockers(text: str, expected: str) -> None:
    assert docker_size(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("500m", "0.5"), ("1500m", "1.5"), ("2", "2"), ("0.25", "0.25"), (".5", ".5")]
)
def test_kubernetes_cpus_become_dockers(text: str, expected: str) -> None:
    assert docker_cpus(text) == expected


@pytest.mark.parametrize("text", ["0", "0g", "0.0", "0Mi"])
def test_a_size_of_nothing_is_not_taken_for_no_limit(text: str) -> None:
    with pytest.raises(ValueError, match="would be no limit"):
        docker_size(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not a number of CPUs"),
        ("2Gi", "not a number"),
        ("nan", "not a number"),
        ("-1", "not a number"),
        ("0", "no limit"),
        ("0m", "no limit"),
    ],
)
def test_what_is_no_number_of_cpus_is_named(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        docker_cpus(text)


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("30m", 1800), ("2h", 7200), ("7d", 604800)])
def test_an_age_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert parse_age(text) == seconds


@pytest.mark.parametrize("text", ["", "2", "h", "-1h", "1w", "1.5h"])
def test_what_is_not_an_age_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time"):
        parse_age(text)
