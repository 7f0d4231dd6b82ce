"""Reads ``tests/recorded``: what docker and podman really printed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ivdocker.engine.client import EngineError
from ivdocker.engine.dialect import Dialect, dialect_of

ROOT = Path(__file__).parent.parent / "recorded"
ENGINES = ("docker-28.2", "docker-20.10", "podman-4.3")


@dataclass(frozen=True)
class Recording:
    """One call of a client and all that came of it."""

    argv: tuple[str, ...]
    returncode: int
    stdout: bytes
    stderr: str

    @property
    def dialect(self) -> Dialect:
        return dialect_of(self.argv[0])

    @property
    def error(self) -> EngineError:
        return EngineError("failed", " ".join(self.argv), self.stderr.strip(), self.returncode, self.stdout)


def recording(engine: str, case: str) -> Recording:
    record = json.loads((ROOT / engine / f"{case}.json").read_text("utf-8"))
    return Recording(tuple(record["argv"]), record["returncode"], record["stdout"].encode(), record["stderr"])


def cases(pattern: str) -> list[tuple[str, str]]:
    """Engine and case of every recording whose file matches, such as ``*/inspect-*``."""
    found = sorted(ROOT.glob(f"{pattern}.json"))
    assert found, f"no recording matches {pattern}"
    return [(path.parent.name, path.stem) for path in found]
