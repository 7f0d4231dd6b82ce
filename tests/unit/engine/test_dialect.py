"""How docker and podman differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivdocker.engine.dialect import dialect_of, gpu_flags


@pytest.mark.parametrize(
    ("engine", "name", "host_flag"),
    [
        ("docker", "docker", "--host"),
        ("podman", "podman", "--url"),
        ("/opt/bin/podman-remote", "podman", "--url"),
        ("/usr/local/bin/docker", "docker", "--host"),
        ("nerdctl", "docker", "--host"),
    ],
)
def test_an_engines_words_are_known_by_its_program(engine: str, name: str, host_flag: str) -> None:
    dialect = dialect_of(engine)
    assert (dialect.name, dialect.program, dialect.host_flag) == (name, engine, host_flag)


@pytest.mark.parametrize("program", ["podman", "/usr/bin/podman", "podman-remote"])
def test_an_engine_is_known_by_its_programs_name(program: str) -> None:
    assert (dialect_of(program).name, dialect_of(program).program) == ("podman", program)
    assert dialect_of(program.replace("podman", "docker")).name == "docker"


PODMAN_DOCKER = """#!/usr/bin/sh
[ -e /etc/containers/nodocker ] || [ -e "${XDG_CONFIG_HOME-$HOME/.config}/containers/nodocker" ] || \\
echo "Emulate Docker CLI using podman. Create /etc/containers/nodocker to quiet msg." >&2
exec /usr/bin/podman "$@"
"""


@pytest.mark.parametrize(
    ("script", "name"),
    [
        (PODMAN_DOCKER, "podman"),
        ('#!/bin/sh\nsudo podman "$@"\n', "podman"),
        ('#!/bin/sh\n# not podman any more\nexec /usr/bin/docker.real "$@"\n', "docker"),
        ("\x7fELF podman ", "docker"),
    ],
)
def test_podman_behind_the_name_docker_is_known(
    script: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "docker"
    program.write_text(script)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (dialect_of("docker").name, dialect_of("docker").program) == (name, "docker")
    assert dialect_of(str(program)).name == name


def test_podman_behind_a_link_is_known(tmp_path: Path) -> None:
    (tmp_path / "podman").write_bytes(b"\x7fELF")
    (tmp_path / "docker").symlink_to(tmp_path / "podman")
    assert dialect_of(str(tmp_path / "docker")).name == "podman"


def test_a_program_that_is_not_there_is_treated_like_docker(tmp_path: Path) -> None:
    assert dialect_of(str(tmp_path / "docker")).name == "docker"


@pytest.mark.parametrize(
    ("gpus", "names"),
    [
        ("all", ["all"]),
        ("2", ["0", "1"]),
        ("device=0", ["0"]),
        ('"device=0,2"', ["0", "2"]),
        ("device=GPU-3a", ["GPU-3a"]),
    ],
)
def test_podman_is_asked_for_gpus_by_their_cdi_names(gpus: str, names: list[str]) -> None:
    """podman 4 takes ``--gpus`` without a word and gives none."""
    assert gpu_flags(dialect_of("podman"), gpus) == tuple(f"--device=nvidia.com/gpu={name}" for name in names)
    assert gpu_flags(dialect_of("docker"), gpus) == (f"--gpus={gpus}",)
