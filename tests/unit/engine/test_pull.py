"""What docker draws of a pull on a terminal: how far it is, and whether it moves."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivdocker.engine import client
from ivdocker.engine.client import Engine, EngineError
from ivdocker.engine.dialect import dialect_of
from ivdocker.engine.pull import PullProgress

HEAD = b"1: Pulling from team/server\r\n\r\n"


def drawn(text: str) -> bytes:
    """As docker 28.2 redraws the last line."""
    return f"\x1b[1A\x1b[2K\r{text}\r\x1b[1B".encode()


LAYER = "a38d8c68fdac: "
WAITING = drawn(f"{LAYER}Pulling fs layer ")
FIRST = drawn(f"{LAYER}Downloading    553kB/100MB")
SECOND = drawn(f"{LAYER}Downloading  1.093MB/100MB")
BAR = drawn(f"{LAYER}Downloading [==>            ]  2.166MB/100MB")
DONE = drawn(f"{LAYER}Pull complete ")


def test_each_step_is_progress() -> None:
    progress = PullProgress()
    assert [progress.feed(chunk) for chunk in (HEAD, WAITING, FIRST, SECOND, BAR, DONE)] == [True] * 6


def test_the_same_drawn_again_is_none() -> None:
    progress = PullProgress()
    progress.feed(HEAD + WAITING + FIRST)
    assert [progress.feed(chunk) for chunk in (FIRST, FIRST + FIRST, HEAD, b"\x1b[2K\r\n")] == [False] * 4
    assert progress.feed(SECOND)


def test_the_seconds_to_a_retry_are_none_and_what_comes_of_it_is() -> None:
    progress = PullProgress()
    progress.feed(HEAD + drawn(f"{LAYER}Downloading    100MB/100MB"))
    waits = [f"{LAYER}Retrying in {n} seconds " for n in (5, 4, 3, 2)] + [f"{LAYER}Retrying in 1 second "]
    assert [progress.feed(drawn(text)) for text in waits] == [False] * 5
    assert str(progress) == "0 of 1 layers (retrying)"
    assert progress.feed(FIRST)


def test_it_says_how_far_it_is() -> None:
    progress = PullProgress()
    progress.feed(HEAD + WAITING + drawn("0123456789ab: Already exists ") + BAR)
    assert str(progress) == "1 of 2 layers (downloading)"


@settings(max_examples=50, deadline=None, database=None)
@given(st.lists(st.sampled_from([HEAD, WAITING, FIRST, SECOND, BAR, DONE]), min_size=1), st.integers(1, 7))
def test_where_a_chunk_is_cut_says_nothing(drawings: list[bytes], size: int) -> None:
    whole, pieces, text = PullProgress(), PullProgress(), b"".join(drawings)
    once = whole.feed(text)
    many = [pieces.feed(text[start : start + size]) for start in range(0, len(text), size)]
    assert (str(pieces), any(many)) == (str(whole), once)


@settings(max_examples=50, deadline=None, database=None)
@given(st.lists(st.binary(max_size=64)))
def test_any_bytes_are_read(chunks: list[bytes]) -> None:
    progress = PullProgress()
    assert all(isinstance(progress.feed(chunk), bool) for chunk in chunks)
    assert "layers" in str(progress)


def pulling(folder: Path, lines: str, name: str = "docker") -> Engine:
    program = folder / name
    program.write_text(f"#!/bin/sh\n{lines}\n")
    program.chmod(0o755)
    return Engine(dialect_of(str(program)))


@pytest.mark.parametrize(
    "line", ["true", f"printf '{LAYER}Downloading 1MB/9MB\\r'", f"printf '{LAYER}Retrying in '$n' s\\r'"]
)
def test_a_pull_that_does_not_move_has_stalled_whatever_it_draws(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "PULL_IDLE_S", 0.5)
    engine = pulling(tmp_path, f"n=0; while sleep 0.05; do n=$((n + 1)); {line}; done")
    with pytest.raises(EngineError, match=r"no progress for 0\.5 s") as caught:
        engine.pull("image:1", None, lambda _chunk, _so_far: None, threading.Event(), lambda _pid: nullcontext())
    assert caught.value.kind == "stalled"


PODMAN_FAILS = r"""
printf 'Trying to pull h/x:1...\nGetting image source signatures\n' >&2
printf 'Copying blob c882c78c949e [---] 976.6KiB / 95.4MiB\r\n\033[1A\033[J' >&2
printf 'Copying blob c882c78c949e [---] 976.6KiB / 95.4MiB\r\n' >&2
test -t 2 || printf 'no terminal\n' >&2
printf 'Error: reading manifest 1 in h/x: manifest unknown\n' >&2
exit 125
"""


def test_podman_shows_its_progress_on_the_stream_of_its_errors(tmp_path: Path) -> None:
    """Where that is no terminal, it says nothing for as long as a layer takes."""
    told = bytearray()
    engine = pulling(tmp_path, PODMAN_FAILS, "podman")
    with pytest.raises(EngineError) as caught:
        engine.pull(
            "h/x:1", None, lambda chunk, _far: told.extend(chunk), threading.Event(), lambda _pid: nullcontext()
        )
    assert caught.value.stderr == "Error: reading manifest 1 in h/x: manifest unknown"
    assert b"976.6KiB" in told


@pytest.mark.parametrize("script", ["podman", "unknown-wrapper"])
def test_progress_on_the_errors_stream_is_progress_behind_the_name_docker_too(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "PULL_IDLE_S", 1.0)
    step = "printf 'Copying blob c882c78c949e [---] %d KiB / 95 MiB\\r' $n >&2"
    pulling(tmp_path, f"n=0; while [ $n -lt 20 ]; do sleep 0.1; n=$((n + 1)); {step}; done", script)
    engine = pulling(tmp_path, f'exec {tmp_path}/{script} "$@"')
    engine.pull("h/x:1", None, lambda _chunk, _far: None, threading.Event(), lambda _pid: nullcontext())


def test_a_pull_that_moves_takes_as_long_as_it_likes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PULL_IDLE_S", 1.0)
    step = f"printf '{LAYER}Downloading %d kB/9MB\\r' $n"
    engine = pulling(tmp_path, f"n=0; while [ $n -lt 20 ]; do sleep 0.1; n=$((n + 1)); {step}; done")
    told: list[str] = []
    engine.pull("image:1", None, lambda _chunk, far: told.append(far), threading.Event(), lambda _pid: nullcontext())
    assert told[-1] == "0 of 1 layers (downloading)"
