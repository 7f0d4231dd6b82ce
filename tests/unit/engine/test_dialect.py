"""How docker and podman differ."""

from __future__ import annotations

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
