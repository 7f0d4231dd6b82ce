"""The user's own flags of docker run may not undo that the container is found, watched and removed."""

from __future__ import annotations

import pytest

from ivdocker.container import docker_args
from ivdocker.errors import UsageError


@pytest.mark.parametrize(
    "word",
    [
        "--cap-add=SYS_PTRACE",
        "--label=team=a",
        "--ulimit=nofile=1:2",
        "--privileged",
        "--init=false",
        "--log-driver=local",
        "--log-opt=max-size=1m",
        "--annotation=a=",
        "-it",
        "-eA=1",
        "-v/a:/b",
        "-P",
        "--no-such-flag=1",
    ],
)
def test_one_whole_flag_is_passed_on(word: str) -> None:
    docker_args.check([word])


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("--name=x", "chooses the container's name"),
        ("--rm", "removes the container itself"),
        ("--rm=true", "removes the container itself"),
        ("--detach=false", "in the background"),
        ("-d", "in the background"),
        ("-itd", "in the background"),
        ("-astdout", "docker logs"),
        ("--restart=always", "started again"),
        ("--network=none", "use --network"),
        ("--net=host", "use --network"),
        ("--cidfile=/tmp/x", "by its name"),
        ("--log-driver=none", "could not be read"),
        ("--log-driver", "could not be read"),
        ("--label=ivdocker.session=x", "such labels"),
        ("-livdocker.session=x", "such labels"),
        ("--pull=always", "use --pull"),
        ("sleep", "not a flag"),
        ("-", "not a flag"),
        ("--", "not a flag"),
        ("", "not a flag"),
        ("--memory", "has no value"),
        ("-e", "has no value"),
        ("--memory=", "empty value"),
    ],
)
def test_what_would_undo_it_is_refused_with_the_reason(word: str, reason: str) -> None:
    with pytest.raises(UsageError, match="--docker-arg") as caught:
        docker_args.check(["--privileged", word])
    assert reason in str(caught.value)
