"""Processes are told from others that had their number."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

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


DOCKER = "/var/lib/docker/containers/" + "a1" * 32
PODMAN = "/containers/storage/overlay-containers/" + "b2" * 32 + "/userdata"


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (f"812 790 254:0 {DOCKER}/hostname /etc/hostname rw,relatime - ext4 /dev/vda rw", "a1" * 32),
        (f"812 790 254:0 {DOCKER[15:]}/resolv.conf /etc/resolv.conf rw - ext4 /dev/vdb rw", "a1" * 32),
        (f"9 8 0:22 {PODMAN}/hosts /etc/hosts rw,nosuid - tmpfs tmpfs rw", "b2" * 32),
        (f"812 790 0:51 / {DOCKER}/mounts/shm rw,nosuid - tmpfs shm rw,size=65536k", None),
        (f"812 790 254:0 {DOCKER}/hostname /mnt/hostname rw,relatime - ext4 /dev/vda rw", None),
        ("21 29 254:0 /etc/hostname /etc/hostname rw - ext4 /dev/vda rw", None),
    ],
)
def test_the_container_of_a_process_is_known_by_what_is_mounted_there(
    line: str, found: str | None, tmp_path: Path
) -> None:
    table = tmp_path / "mountinfo"
    table.write_text("22 29 0:20 / /sys rw,nosuid - sysfs sysfs rw\n" + line + "\n")
    assert tree.container_id(str(table)) == found


def test_a_process_without_a_table_of_mounts_is_in_no_known_container(tmp_path: Path) -> None:
    assert tree.container_id(str(tmp_path / "none")) is None
