"""Checks the user's own flags of ``docker run``: none may undo what ivdocker needs to find, watch and remove the
container, or to reach the server."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ivdocker.container import labels
from ivdocker.container.docker_py_flags import READABLE_LOGS
from ivdocker.errors import UsageError

_REFUSED = {
    "--attach": "ivdocker reads the server's log by docker logs",
    "--cidfile": "ivdocker finds the container by its name; see the report for it",
    "--detach": "ivdocker always runs the container in the background",
    "--help": "see docker run --help",
    "--name": "ivdocker chooses the container's name, so that it can always be found and removed",
    "--net": "use --network",
    "--network": "use --network",
    "--pull": "use --pull",
    "--restart": "a server that is started again hides how it ended",
    "--rm": "ivdocker removes the container itself, after it has read its log and its exit code",
}
_SHORT = {"-a": "--attach", "-d": "--detach", "-l": "--label"}

_SWITCHES = (
    *("--disable-content-trust", "--init", "--interactive", "--no-healthcheck", "--oom-kill-disable", "--privileged"),
    *("--publish-all", "--quiet", "--read-only", "--sig-proxy", "--tty"),
    *("--env-host", "--http-proxy", "--no-hosts", "--read-only-tmpfs"),
)
"""The flags of docker's and podman's run that take no value."""
_SHORT_SWITCHES = "diPqt"


def check(words: Iterable[str]) -> None:
    """Raises UsageError for the first word that is not one whole flag, or is a flag that must be left out."""
    for word in words:
        _check(word)


def _check(word: str) -> None:
    flag, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
    for name in _long_names(flag):
        if name in _REFUSED:
            raise UsageError(f"--docker-arg {word!r}: leave it out; {_REFUSED[name]}")
        if name == "--label" and (value or word[2:]).lstrip("=").startswith(labels.PREFIX):
            raise UsageError(f"--docker-arg {word!r}: ivdocker finds its own containers by such labels; choose another")
    if flag == "--log-driver" and value not in READABLE_LOGS:
        readable = ", ".join(READABLE_LOGS)
        raise UsageError(f"--docker-arg {word!r}: the server's log could not be read; docker logs can read {readable}")
    if not re.match(r"--?[A-Za-z]", word):
        raise UsageError(
            f"--docker-arg {word!r} is not a flag of docker run; write flag and value in one word: --flag=value"
        )
    is_whole = flag in _SWITCHES if flag.startswith("--") else len(word) > 2 or word[1] in _SHORT_SWITCHES
    if not equals and not is_whole:
        raise UsageError(f"--docker-arg {word!r} has no value; write flag and value as one: {word}=value")
    if equals and not value:
        raise UsageError(f"--docker-arg {word!r} has an empty value; give one, or leave the flag out")


def _long_names(flag: str) -> list[str]:
    """The long names of a flag, and of the switches in a word such as ``-dit``."""
    if flag.startswith("--"):
        return [flag]
    switches = re.match(rf"-[{_SHORT_SWITCHES}]*", flag)
    letters = switches[0][1:] if switches else ""
    rest = flag[len(letters) + 1 :][:1]
    return [_SHORT[f"-{letter}"] for letter in letters + rest if f"-{letter}" in _SHORT]
