"""Scripted faults of the fake docker: ``faults.json`` in the state folder, a list of objects.

``verb`` and, where given, ``nth`` (which call of that verb, from 1) choose the call. What then happens, one of:

    hang: true          never ends
    endless: true       prints without end
    signal: n           dies by that signal
    exit: n             ends with this code, having printed ``stdout`` and ``stderr``
    half_json: true     does its work and prints the first half of its answer
    grandchild: n       does its work, and leaves a process that holds its output for n seconds
    delay: n            does its work n seconds later
    vanish: true        the container is removed first, then it does its work

With ``late: true`` the work is done before the first four, and not a word said of it.
"""

from __future__ import annotations

import os
import select
import time

from tests.fakes import containers

TYPE_CHECKING = False  # importing typing for it would slow each call
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Answer = tuple[int, str, str]


def find(state: str, verb: str, nth: int) -> dict[str, Any]:
    """The first fault that is meant for this call; empty when there is none."""
    path = os.path.join(state, "faults.json")
    if not os.path.exists(path):
        return {}
    import json

    with open(path, encoding="utf-8") as file:
        faults: list[dict[str, Any]] = json.load(file)
    return next((each for each in faults if each["verb"] == verb and each.get("nth", nth) == nth), {})


def act(fault: dict[str, Any], state: str, name: str, work: Callable[[], Answer]) -> Answer:
    """Do the work as the fault has it. ``name``: the container's."""
    if fault.get("vanish"):
        container = containers.find(state, name)
        if container:
            container.remove()
    time.sleep(fault.get("delay", 0))
    if fault.get("late"):
        work()
    if fault.get("hang"):
        while True:
            time.sleep(3600)
    if "signal" in fault:
        os.kill(os.getpid(), fault["signal"])
    while fault.get("endless"):
        os.write(1, b"and so on, without end\n" * 1000)
    if fault.keys() & {"exit", "stdout", "stderr"}:
        return fault.get("exit", 0), fault.get("stdout", ""), fault.get("stderr", "")
    code, out, err = work()
    if "grandchild" in fault and os.fork() == 0:
        _hold_output(fault["grandchild"])
    return code, out[: len(out) // 2] if fault.get("half_json") else out, err


def _hold_output(seconds: float) -> None:
    """Until nobody reads it any more, or the time is over."""
    poll = select.poll()
    poll.register(1, 0)
    poll.poll(seconds * 1000)
    os._exit(0)
