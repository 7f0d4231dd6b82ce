"""What a user installs: the wheel, and the wheel made from the sdist."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*command: str | Path, cwd: Path, **env: str) -> str:
    done = subprocess.run(command, cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The distributions, built from a copy: building writes into the tree."""
    work = tmp_path_factory.mktemp("build")
    wanted = ["LICENSE", "MANIFEST.in", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "setup.cfg", "setup.py"]
    for name in wanted:
        shutil.copy(ROOT / name, work)
    for name in ("ivdocker", "tests", "scripts", "docs"):
        shutil.copytree(ROOT / name, work / name, ignore=shutil.ignore_patterns("__pycache__"))
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", work / "dist", cwd=work)
    return work / "dist"


@pytest.mark.parametrize("pattern", ["*.whl", "*.tar.gz"])
def test_what_was_built_installs_and_runs(built: Path, tmp_path: Path, pattern: str) -> None:
    (distribution,) = built.glob(pattern)
    target = tmp_path / "site"
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--target", str(target)]
    run(sys.executable, "-m", "pip", "install", *options, str(distribution), cwd=tmp_path)
    assert (target / "ivdocker" / "py.typed").exists()
    assert (target / "ivdocker" / "container" / "watchdog.sh").exists()
    assert not (target / "tests").exists()
    code = "import ivdocker; print(ivdocker.__file__); print(ivdocker.validate.__name__)"
    printed = run(sys.executable, "-c", code, cwd=tmp_path, PYTHONPATH=str(target))
    assert printed.split() == [str(target / "ivdocker" / "__init__.py"), "validate"]
    assert run(target / "bin" / "ivdocker", "--version", cwd=tmp_path, PYTHONPATH=str(target)).startswith("ivdocker ")


def test_the_sdist_holds_what_its_tests_need(built: Path) -> None:
    import tarfile

    (distribution,) = built.glob("*.tar.gz")
    with tarfile.open(distribution) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "scripts/test",
        "tests/conftest.py",
        "tests/fakes/docker",
        "docs/examples/triton/linear/1/model.py",
    } <= names
