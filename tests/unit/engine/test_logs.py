"""The log of a container: its bounds, its lines, its end."""

from __future__ import annotations

import re

from ivdocker.engine.logs import HEAD_BYTES, LINE_BYTES, TAIL_BYTES, LogBuffer, LogFollower
from ivdocker.process.run import Child


def test_a_log_keeps_its_beginning_and_its_end_and_counts_what_is_between() -> None:
    buffer = LogBuffer()
    buffer.append(b"the first line\n")
    for _ in range(100):
        buffer.append(b"x" * 65536)
    buffer.append(b"\nthe last line")
    text = buffer.text()
    assert text.startswith("the first line\n")
    assert text.endswith("\nthe last line")
    assert len(text) < HEAD_BYTES + TAIL_BYTES + 1000
    assert "bytes left out" in text


def test_a_log_that_fits_is_whole() -> None:
    buffer = LogBuffer()
    line = "ü" * 100 + "\n"
    for _ in range(2000):
        buffer.append(line.encode())
    assert buffer.text() == line * 2000


def follow(script: str, pattern: bytes | None = None) -> LogFollower:
    return LogFollower(
        Child.spawn(["/bin/sh", "-c", script], output="one pipe"), re.compile(pattern) if pattern else None
    )


def test_a_followed_log_ends_with_the_program_and_stays_readable() -> None:
    follower = follow(r"echo out; echo err >&2; printf 'bad \377 byte\n\n'")
    assert follower.ended.wait(10)
    follower.close()
    assert sorted(follower.text().split("\n")) == ["", "", "bad � byte", "err", "out"]


def test_a_line_that_is_watched_for_is_found_once_it_is_whole() -> None:
    follower = follow("printf 'one\\nbad th'; printf 'ing: x\\nbad thing: y\\n'", rb"bad thing: .*")
    assert follower.ended.wait(10)
    follower.close()
    assert follower.matches == ("bad thing: x", "bad thing: y")


def test_a_line_that_never_ended_is_no_cause() -> None:
    follower = follow("printf 'bad thing: ha'", rb"bad thing: .*")
    assert follower.ended.wait(10)
    follower.close()
    assert follower.matches == ()


def test_following_ends_when_it_is_closed() -> None:
    follower = follow("echo x; sleep 60")
    follower.close()
    assert follower.ended.is_set()


def test_what_docker_says_of_a_container_that_is_gone_is_not_the_servers_log() -> None:
    follower = follow("echo ready; echo 'Error response from daemon: No such container: x' >&2; exit 1")
    follower.ended.wait(30)
    follower.close()
    assert follower.text() == "ready\n"


def test_colours_hide_no_line_that_is_watched_for_and_are_not_shown() -> None:
    follower = follow(r"printf '\033[31mbad \033[1mthing\033[0m: x\n\033]0;title\007\n'", rb"^bad thing: .*")
    assert follower.ended.wait(10)
    follower.close()
    assert follower.matches == ("bad thing: x",)
    assert follower.text() == "bad thing: x\n\n"


def test_the_lines_of_both_streams_are_in_the_order_in_which_they_were_written() -> None:
    """However many there are before anybody reads: what came later decides what is believed."""
    follower = follow("for n in $(seq 500); do echo out $n; echo err $n >&2; done")
    assert follower.ended.wait(30)
    follower.close()
    assert follower.text() == "".join(f"out {n}\nerr {n}\n" for n in range(1, 501))


def test_a_line_without_an_end_is_shown_and_not_kept_whole_in_memory() -> None:
    follower = follow("printf 'begin'; head -c 3000000 /dev/zero | tr '\\0' x", rb"x{%d}" % (LINE_BYTES + 1))
    assert follower.ended.wait(30)
    follower.close()
    assert follower.text().startswith("beginx")
    assert len(follower.text()) < HEAD_BYTES + TAIL_BYTES + 2**18
    assert follower.matches == ()
