"""Every log pattern of every server has a line that it must match: a row without one fails here."""

from __future__ import annotations

import re

import pytest

from ivdocker.diagnosis import rows, server_log
from ivdocker.servers.client import MAY_NOT_READ
from ivdocker.servers.registry import SERVERS
from tests.unit.diagnosis.helpers import ended, first_row, flaws, log_patterns
from tests.unit.servers.samples import SAMPLE_LINES, SAMPLES


@pytest.mark.parametrize("kind", [server.binary.kind for server in SERVERS])
def test_every_row_of_every_servers_table_has_a_sample(kind: str) -> None:
    table = log_patterns(kind)
    covered = {first_row(table, line) for line, _, _ in SAMPLES.get(kind, [])}
    missing = [row.pattern for i, row in enumerate(table) if i not in covered]
    assert not missing, f"add a sample for {missing}"


@pytest.mark.parametrize(("kind", "line", "code", "words"), SAMPLE_LINES)
def test_a_servers_last_words_have_their_code_and_name_the_cause(kind: str, line: str, code: str, words: str) -> None:
    log = f"starting\n{line}\nexiting\n"
    failure = server_log.ended_container(ended(1), log, log_patterns(kind))
    assert failure.code == code
    assert words in failure.message
    assert "{" not in failure.message.replace("{ serve }", "").replace("{m}", "")
    assert failure.log_tail == ("starting", *(part.rstrip() for part in line.splitlines()), "exiting")
    assert flaws(failure) == []


@pytest.mark.parametrize(("kind", "line", "code"), [sample[:3] for sample in SAMPLE_LINES])
def test_a_line_that_ends_all_hope_is_found_while_the_server_runs(kind: str, line: str, code: str) -> None:
    table = log_patterns(kind)
    fatal = tuple(row for row in table if row.fatal)
    pattern = rows.fatal_pattern(table) or re.compile(b"$^")
    failure = server_log.fatal_line(line.splitlines()[-1], line, table)
    found = pattern.search(f"starting\n{line}\nanother line\n".encode())
    assert (failure is not None) == (found is not None) == (first_row(fatal, line) is not None)
    if failure is not None:
        assert failure.code in {code, "model-load-failed"}
        assert flaws(failure) == []


@pytest.mark.parametrize(("kind", "line"), [sample[:2] for sample in SAMPLE_LINES])
def test_a_fatal_line_ends_at_its_line_break(kind: str, line: str) -> None:
    """What is searched is a piece of the log, many lines at once: the next line is no part of the cause."""
    pattern = rows.fatal_pattern(log_patterns(kind)) or re.compile(b"$^")
    unquoted = line.replace('"', "")
    for text in (line, unquoted):
        found = pattern.search(f"{text}\nanother line; of the server\n".encode())
        assert found is None or found.end() <= len(text.encode())


@pytest.mark.parametrize(
    ("kind", "line"),
    [(kind, line) for kind, line, *_ in SAMPLE_LINES if "Permission denied" in line]
    + [
        (
            "triton",
            "failed to load 'm' version 1: Internal: PermissionError: [Errno 13] Permission denied: '/models/m'",
        ),
        ("kserve", "fail to load model m from dir /mnt/models. [Errno 13] Permission denied: '/mnt/models'"),
        ("http", "PermissionError: [Errno 13] Permission denied: '/srv/model'"),
    ],
)
def test_whoever_meets_a_denied_file_is_told_of_selinux_too(kind: str, line: str) -> None:
    table = log_patterns(kind)
    told = [server_log.ended_container(ended(1), line, table), server_log.fatal_line(line, "", table)]
    assert {failure.hint for failure in told if failure} == {MAY_NOT_READ}
    assert "SELinux" in MAY_NOT_READ
