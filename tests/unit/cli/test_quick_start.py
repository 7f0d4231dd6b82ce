"""sh is imported without what it does not need, and others find their modules as they are."""

from __future__ import annotations

import subprocess
import sys

QUICK_START = """
import sys
from ivdocker.cli.quick_start import import_sh
import_sh()
import sh
assert not {"asyncio", "importlib.metadata", "inspect", "linecache", "platform", "textwrap"} & sys.modules.keys()
import asyncio, importlib.metadata, inspect, linecache, platform, textwrap, traceback
assert linecache.getline(sh.__file__, 1) == traceback.linecache.getline(sh.__file__, 1) != ""
assert textwrap.dedent("  a") == traceback.textwrap.dedent("  a") == "a"
assert platform.machine() and inspect.isfunction(import_sh)
lines = []
sh.echo("called back", _out=lambda line: lines.append(line))
assert lines == ["called back\\n"]
assert asyncio.run(asyncio.sleep(0, "real")) == "real"
assert importlib.metadata.version("sh")
from ivdocker import clock
from ivdocker.process.run import run
print(run(["echo", "it runs"], deadline=clock.Deadline.after(20)).stdout.decode())
"""


def test_a_quick_start_runs_programs_and_leaves_the_real_modules_to_others() -> None:
    done = subprocess.run([sys.executable, "-c", QUICK_START], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "it runs"


def test_a_quick_start_after_asyncio_imports_sh_as_it_is() -> None:
    code = "import asyncio, sys; from ivdocker.cli.quick_start import import_sh; import_sh()"
    code += "; import sh; assert sh.Command.__init__.__globals__['asyncio'] is asyncio"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
