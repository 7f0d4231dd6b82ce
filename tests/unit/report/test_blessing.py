"""TFX's blessing: one empty file."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivdocker.errors import UsageError
from ivdocker.report.blessing import write_blessing
from ivdocker.report.verdict import Verdict


@pytest.mark.parametrize(
    ("verdict", "files"),
    [("blessed", ["INFRA_BLESSED"]), ("not_blessed", ["INFRA_NOT_BLESSED"]), ("no_verdict", [])],
)
@pytest.mark.parametrize("earlier", ["INFRA_BLESSED", "INFRA_NOT_BLESSED", None])
def test_a_blessing_is_one_empty_file_and_takes_an_earlier_one_back(
    tmp_path: Path, verdict: Verdict, files: list[str], earlier: str | None
) -> None:
    folder = tmp_path / "not" / "there" / "yet"
    if earlier:
        folder.mkdir(parents=True)
        (folder / earlier).touch()
    write_blessing(folder, verdict)
    assert [path.name for path in folder.iterdir()] == files
    assert all(path.read_bytes() == b"" for path in folder.iterdir())


def test_a_blessing_that_cannot_be_written_says_where(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"cannot write the blessing to '.*file"):
        write_blessing(tmp_path / "file", "blessed")
