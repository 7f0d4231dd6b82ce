"""Compares ivdocker's runner with TFX's own, both under TFX's executor: ``python -m tests.tfx.compare``.

Prints a table: seconds, verdict, and the last error that TFX's log has.
"""

from __future__ import annotations

import json
import tempfile
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import ivdocker.tfx
from tests.tfx.executor import Result, run

IMAGE = "ivdocker/tensorflow-serving-standin:grpc"
DEADLINE_S = 15
"""TFX's own default is 300."""
CASES: list[tuple[str, dict[str, Any], int]] = [
    ("good, LOAD_ONLY", {}, 0),
    ("good, LOAD_AND_QUERY", {}, 3),
    ("cannot be parsed", {"pb": "corrupt"}, 0),
    ("server exits while loading", {"load_seconds": 1, "exit_during_load": 3}, 0),
    ("never loaded", {"hang_load": True}, 0),
    ("request refused", {"http_status": 400}, 1),
    ("server dies at the request", {"exit_after_requests": 1}, 3),
]
_ROW = "{:<28} {:>9} {:>9}  {:<13} {}"


def main() -> None:
    warnings.simplefilter("ignore")
    print(_ROW.format("model", "TFX's", "ivdocker", "verdict", "ivdocker says / TFX's own says"))
    for name, standin, queries in CASES:
        with tempfile.TemporaryDirectory() as folder:
            model = _model(Path(folder), dict(standin))
            theirs, ours = (_run(model, queries, swapped) for swapped in (False, True))
        print(_ROW.format(name, f"{theirs['seconds']:.1f} s", f"{ours['seconds']:.1f} s", _verdict(ours), _said(ours)))
        if theirs["files"] != ours["files"]:
            print(f"  TFX's own verdict: {_verdict(theirs)}")
        print(_ROW.format("", "", "", "", _said(theirs)), flush=True)


def _model(folder: Path, standin: dict[str, Any]) -> str:
    version = folder / "1"
    version.mkdir()
    (version / "saved_model.pb").write_text(standin.pop("pb", "half_plus_two\n"))
    (version / "standin.json").write_text(json.dumps(standin))
    return str(version)


def _run(model: str, queries: int, is_swapped: bool) -> Result:
    with ivdocker.tfx.use_ivdocker() if is_swapped else nullcontext():
        return run(model, IMAGE, seconds=DEADLINE_S, queries=queries)


def _verdict(result: Result) -> str:
    return " ".join(result["files"]).removeprefix("INFRA_").lower().replace("_", " ") or "none"


def _said(result: Result) -> str:
    errors = [line for line in result["log"] if line.startswith("Infra validation (attempt")]
    return " ".join("".join(errors[-1:]).partition(" failed.: ")[2].split())[:150] or "-"


if __name__ == "__main__":
    main()
