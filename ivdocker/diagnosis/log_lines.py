"""What a line of a server's log is: its level, the exception that it reports, noise. Pure: it calls nothing.

A line is judged by what the server's process wrote. TorchServe and Multi Model Server put their own time and level
before each line of a worker; vLLM and SGLang put the process before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple, cast

from ivdocker.engine.logs import LINE_BYTES
from ivdocker.text import without_escapes

_FIRST, _LAST = 2000, 4000
"""How many lines at the beginning and at the end of a log are looked at."""

_WORKER = re.compile(r"^.{0,200}?(?:\bMODEL_LOG|\.WorkerLifeCycle) - ")
_PROCESS = re.compile(r"^(?:\([\w -]+ pid=\d+\) |\[rank\d+\]: ?|\[[^\]\s]+ (?:TP|DP|EP)\d+[^\]]*\] )+")

_LEVEL = re.compile(
    r"(?P<error>^[EF]\d{4} |^\S+ \S+: [EF] |\b(?:ERROR|CRITICAL|FATAL)\b|\[(?:error|crit|alert|emerg)\]"
    r'|"(?:level|severity)": ?"(?:error|critical|fatal)")'
    r"|(?P<warning>^W\d{4} |^\S+ \S+: W |\bWARN(?:ING)?\b|\[warn(?:ing)?\]|[A-Za-z]Warning: "
    r'|"(?:level|severity)": ?"warn(?:ing)?"|\blevel=warn)'
    r"|(?P<info>^I\d{4} |^\S+ \S+: I |\b(?:INFO|DEBUG|TRACE)\b|\[(?:info|notice|debug)\]"
    r'|"(?:level|severity)": ?"(?:info|debug)")',
    re.ASCII,
)
"""The first one in the line counts."""
_LEVEL_WITHIN = 120
"""A level stands in the first so many characters of its line."""

_NAME_WITHIN = 300

Level = Literal["", "info", "warning", "error"]
RANKS: dict[str, int] = {"info": 0, "warning": 1, "error": 2, "": 2}
"""A line without a level may be anything: a traceback has none."""

_NAME = r"(?:[A-Za-z_]\w*\.){0,8}[A-Za-z_]\w*(?:Error|Exception|Failure|Fault|Interrupt|Exit)(?:_\w+)?"
_DOTTED = r"(?:[a-z_]\w*\.){1,8}[A-Z]\w*"
_AT_START = re.compile(
    rf"(?:E   |[ |]{{0,20}}\| )?(?:{_NAME}|{_DOTTED})(?:: |:?\s*$)|  what\(\): +"
    r"|thread '[^']*' (?:\(\d+\) )?panicked at |panic: "
)
_WITHIN = re.compile(rf"(?<![\w.'\"])({_NAME}): ")
_SHUTTING_DOWN = re.compile(
    r"CancelledError|KeyboardInterrupt|SystemExit|GeneratorExit|BrokenPipeError|ConnectionResetError|EOFError"
    r"|^java\.|^org\.|^com\.|\bInterruptedException|HaltServer|Engine core initialization failed|EngineDeadError"
    r"|Worker failed with error|Failed core proc|ChildFailedError|WorkerInitializationException"
)
"""What the end of one process makes the others raise: it is no cause."""

_CHAINED = re.compile(r"^(?:During handling of the above exception|The above exception was the direct cause)")
_ACCESS = re.compile(r"\"?\b(?:GET|HEAD) /\S* HTTP/\d(?:\.\d)?\b|\bACCESS_LOG - |\bTS_METRICS - |\bMETRICS - ")
_DRAWN = re.compile(
    r"^\s*[+|][-+=|\s].*[+|]\s*$|^\s*\|.*\|\s*$|^[\s\-=+_*#~.^\u2500-\u259f]+$|\d%\|[^|]*\|"
    r"|^[IWEF]\d{4} \S+ +\d+ \S+\]\s*\"?$"
)
"""A row of a table, a rule, a bar of progress, a header with nothing after it."""


class Line(NamedTuple):
    """A line of a log. ``text``: as it is shown. ``said``: without what a parent process put before it."""

    text: str
    said: str
    level: Level

    @property
    def rank(self) -> int:
        return RANKS[self.level]

    @property
    def exception(self) -> str:
        """What it says from the exception that it reports on; empty when it reports none. A line without a level must
        begin with it."""
        found = _AT_START.match(self.said[:_NAME_WITHIN])
        if found is None and self.level == "error":
            found = _WITHIN.search(self.said)
        return self.said[found.start() :] if found and self.rank >= RANKS["error"] else ""

    @property
    def is_chain(self) -> bool:
        """Whether it links the exception before it with the one after it."""
        return _CHAINED.match(self.said) is not None


def is_by_shutdown(exception: str) -> bool:
    """Whether an exception only tells that another process has ended."""
    return _SHUTTING_DOWN.search(exception[:300]) is not None


def is_noise(text: str) -> bool:
    """Whether a line is a row of a table, a bar of progress, or tells of a GET: all requests to a model are POST, and
    who else asks are our probes and health checks."""
    return not text.strip() or _ACCESS.search(text) is not None or _DRAWN.search(text) is not None


def lines_of(log: str) -> list[Line]:
    """The lines of a log that are no noise, each cut to 4096 characters; of a long log the first and the last ones."""
    texts = [text for text in without_escapes(log).splitlines() if text.strip()]
    if len(texts) > _FIRST + _LAST:
        texts = texts[:_FIRST] + texts[-_LAST:]
    return list(_read(texts))


def _read(texts: list[str]) -> Iterator[Line]:
    for whole in texts:
        text = whole[:LINE_BYTES].rstrip()
        if not is_noise(text):
            inner = _WORKER.sub("", text, count=1)
            said = _PROCESS.sub("", inner, count=1)
            yield Line(text, said, _level_of(said))


def _level_of(said: str) -> Level:
    start = said[:_LEVEL_WITHIN]
    found = None if _AT_START.match(start) else _LEVEL.search(start)
    return cast(Level, found.lastgroup) if found else ""
