"""docs/failures.md describes every failure code, and what hints say of it is there."""

from __future__ import annotations

import re
from pathlib import Path

import ivdocker
from ivdocker.errors import ENVIRONMENT_CODES, MODEL_CODES

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "failures.md").read_text("utf-8")


def headings(text: str) -> set[str]:
    return set(re.findall(r"(?m)^### `([\w-]+)`$", text))


def test_every_code_is_described_on_its_side() -> None:
    environment, _, model = PAGE.partition("## Not blessed")
    assert headings(environment) >= ENVIRONMENT_CODES
    assert headings(model) >= MODEL_CODES
    assert not headings(environment) & MODEL_CODES
    assert not headings(model) & ENVIRONMENT_CODES


def test_what_a_hint_names_is_there() -> None:
    package = Path(ivdocker.__file__).parent
    named = [
        anchor for path in package.rglob("*.py") for anchor in re.findall(r"failures\.md#([\w-]+)", path.read_text())
    ]
    assert named
    assert set(named) <= headings(PAGE)


def test_the_readme_names_the_page() -> None:
    assert "docs/failures.md" in (ROOT / "README.md").read_text("utf-8")
