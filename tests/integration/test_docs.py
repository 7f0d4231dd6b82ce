"""Every command in README.md and docs/ does what is printed below it, as it is written."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

IMAGE = "ivdocker/triton:24.10"
ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXIT_CODES = {"BLESSED": 0, "NOT BLESSED": 1, "NO VERDICT": 3}
_BLOCK = re.compile(r"^```\n(\$ .*?)^```$", re.MULTILINE | re.DOTALL)
_VERDICT = re.compile(r"^(BLESSED|NOT BLESSED|NO VERDICT)  .*$", re.MULTILINE)
_STAGE = re.compile(r"^(start|running|load|query|measured|stop) ", re.MULTILINE)


def commands(document: Path) -> list[tuple[str, str]]:
    """Each command, and what the document prints below it."""
    blocks = _BLOCK.findall(document.read_text("utf-8"))
    parts = [part for block in blocks for part in re.split(r"^\$ ", block, flags=re.MULTILINE) if part]
    return [(command, output) for command, _, output in (part.partition("\n") for part in parts)]


def without_numbers(text: str) -> str:
    """Figures, and the lists that name them, differ from run to run."""
    return re.sub(r"\d+(\.\d+)?(e-?\d+)?", "N", text)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the commands read, in which they may write too."""
    folder = tmp_path / "checkout"
    shutil.copytree(ROOT / "docs", folder / "docs", ignore=shutil.ignore_patterns("__pycache__"))
    program = tmp_path / "bin" / "ivdocker"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ivdocker "$@"\n')
    program.chmod(0o755)
    return folder


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join((str(folder.parent / "bin"), os.environ["PATH"]))
    return subprocess.run(
        ["sh", "-c", command], cwd=folder, env={**os.environ, "PATH": path},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


@pytest.mark.engine
@pytest.mark.usefixtures("server_image")
@pytest.mark.parametrize(
    "document", [each for each in DOCUMENTS if commands(each)], ids=lambda path: str(path.relative_to(ROOT))
)
def test_the_commands_of_a_document_do_what_it_says(document: Path, checkout: Path) -> None:
    for command, printed in commands(document):
        done = run(command, checkout)
        said = done.stdout + done.stderr
        wanted = _VERDICT.search(printed)
        assert done.returncode == (EXIT_CODES[wanted[1]] if wanted else 0), f"$ {command}\n{said}"
        verdict = _VERDICT.search(said)
        assert without_numbers(verdict[0] if verdict else "") == without_numbers(wanted[0] if wanted else "")
        assert _STAGE.findall(said) == _STAGE.findall(printed), f"$ {command}\n{said}"


def test_the_documents_name_models_and_images_that_are_there() -> None:
    """A name in capital letters stands for the reader's own."""
    built = (ROOT / "scripts" / "images").read_text("utf-8")
    for document in DOCUMENTS:
        for line in re.findall(r"\bivdocker (?:validate|serve) (?!\.)[^`|\n]*", document.read_text("utf-8")):
            model, *options = line.split()[2:]
            assert model.isupper() or (ROOT / model).is_dir() or is_made(model, document), f"{document}: {line}"
            for option, image in itertools.pairwise(options):
                if option in ("--image", "--against"):
                    assert image.isupper() or image in built or image.startswith("tensorflow/serving:"), image


def is_made(model: str, document: Path) -> bool:
    """Whether a command of the document makes the model."""
    return any(command.split()[0] == "cp" and command.endswith(f" {model}") for command, _ in commands(document))
