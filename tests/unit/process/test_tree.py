"""Processes are told from others that had their number."""

from __future__ import annotations

import os

from ivdocker.clock import Deadline
from ivdocker.process import tree
from ivdocker.process.run import Child


def test_this_process_is_known_by_its_number_its_start_and_its_host() -> None:
    owner = tree.this_process()
    assert (owner.pid, owner.host) == (os.getpid(), os.uname().nodename)
    assert owner.started
    assert owner.started == tree.started(os.getpid())


def test_a_process_that_has_ended_has_no_start() -> None:
    child = Child.spawn(["/bin/true"])
    pid = child.pid
    child.pump(lambda _: None, lambda _: None, Deadline.after(20))
    assert tree.started(pid) is None
