"""The report as JSON, schema ``ivdocker/report/v1``. Keys are only ever added."""

from __future__ import annotations

import json
from typing import Any

from ivdocker.report.verdict import MemorySearch, Report, RunReport

SCHEMA = "ivdocker/report/v1"


def as_json(report: Report) -> str:
    """Valid UTF-8 whatever a server said."""
    text = json.dumps(as_dict(report), indent=2, ensure_ascii=False) + "\n"
    return text.encode("utf-8", "backslashreplace").decode()


def as_dict(report: Report) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "verdict": report.verdict,
        "model": report.model,
        "engine": report.engine._asdict() if report.engine else None,
        "seconds": round(report.seconds, 3),
        "runs": [_run(run) for run in report.runs],
    }


def _run(run: RunReport) -> dict[str, Any]:
    return {
        "image": run.image,
        "image_id": run.image_id,
        "server": run.server,
        "server_reason": run.server_reason,
        "verdict": run.verdict,
        "attempts": run.attempts,
        "stages": {stage: round(seconds, 3) for stage, seconds in run.stages.items()},
        "endpoints": run.endpoints,
        "requests": run.requests._asdict(),
        "resources": run.resources._asdict(),
        "load_seconds": None if run.load_seconds is None else round(run.load_seconds, 3),
        "log_errors": run.log_errors,
        "memory_search": _memory_search(run.memory_search) if run.memory_search else None,
        "failure": run.failure._asdict() if run.failure else None,
        "history": [failure._asdict() for failure in run.history],
        "kept": run.kept,
    }


def _memory_search(search: MemorySearch) -> dict[str, Any]:
    return {
        "smallest_bytes": search.smallest_bytes,
        "tries": [{**tried._asdict(), "seconds": round(tried.seconds, 3)} for tried in search.tries],
    }
