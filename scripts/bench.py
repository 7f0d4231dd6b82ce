"""Compares ivdocker with scripts/bench-baseline on a stand-in server that is ready at once. Also measures the cost of
waiting, and how long a real Triton takes to stop. scripts/bench runs it.

It does not pass or fail: it prints each figure with its aim.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IMAGE = "ivdocker/tensorflow-serving-standin:1"
MODEL = ROOT / "docs/examples/tensorflow-serving/half_plus_two"
IVDOCKER = str(Path(sys.executable).with_name("ivdocker"))
TRITON = "ivdocker/triton:24.10"
TRITON_MODEL = ROOT / "docs/examples/triton/linear"
TFX = ROOT / ".venv/tfx/bin/python"
TFX_IMAGE = "ivdocker/tensorflow-serving-standin:grpc"
LOAD_SECONDS = 20.0
VALIDATE = [IVDOCKER, "validate", str(MODEL), "--image", IMAGE, "--quiet"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=15, help="number of pairs in each comparison (default 15)")
    pairs = parser.parse_args().pairs
    print(f"{pairs} pairs, {os.cpu_count()} CPUs, Python {sys.version.split()[0]}")
    memory: list[float] = []
    process, in_one = "whole process against the shell script", "Start..Stop in one process against the shell script"
    compare(process, "at most 1.20", pairs, lambda: whole_process(memory), baseline)
    # Stop() reads the log, which GetLogs() returns afterwards. The plain script does not.
    compare(f"{in_one} with log", "at most 1.05", pairs, in_process, lambda: baseline(os.devnull))
    compare(in_one, "", pairs, in_process, baseline)
    show("readiness seen after it came true", "ms", [readiness_lag() for _ in range(pairs)], "at most 20 ms")
    show("a server's death seen after it", "ms", [death_lag() for _ in range(pairs)], "at most 300 ms")
    show("ivdocker --version", "ms", [version() for _ in range(pairs)], "at most 40 ms")
    waiting = "CPU of the process while {} for 20 s"
    show(waiting.format("a server loads"), "% of a core", [waiting_cpu(1) for _ in range(3)], "at most 1 %")
    show(waiting.format("16 servers load"), "% of a core", [waiting_cpu(16)], "at most 8 %")
    if has_image(TRITON):
        show("stop of a real Triton", "s", [triton_stop() for _ in range(5)], "0.5 s and the removal")
        show("stop of a real Triton, --graceful-stop", "s", [triton_stop("--graceful-stop") for _ in range(5)])
    show_tfx()
    show("peak memory of the validate process", "MB", memory, "at most 45 MB")
    print(f"ivdocker --version imports sh or psutil: {'yes' if imports_sh() else 'no'} (aim: no)")


def compare(what: str, aim: str, pairs: int, ours: Callable[[], float], script: Callable[[], float]) -> None:
    """Run ours and the shell script alternately. Each pair has the opposite order of the pair before."""
    ours(), script()
    mine, theirs = [], []
    for number in range(pairs):
        if number % 2:
            theirs.append(script())
            mine.append(ours())
        else:
            mine.append(ours())
            theirs.append(script())
    show(f"{what}: ratio", "", [a / b for a, b in zip(mine, theirs, strict=True)], aim)
    show("  ivdocker", "s", mine)
    show("  shell script", "s", theirs)


def show(what: str, unit: str, values: list[float], aim: str = "") -> None:
    low, mid, high = min(values), statistics.median(values), max(values)
    quarter = statistics.quantiles(values, n=4) if len(values) > 1 else [mid, mid, mid]
    wanted = f"   (aim: {aim})" if aim else ""
    spread = f"quartiles {quarter[0]:.3g} {quarter[2]:.3g}, min {low:.3g}, max {high:.3g}"
    print(f"{what:<60} median {mid:.3g} {unit}  {spread}{wanted}", flush=True)


def baseline(*log_file: str) -> float:
    return timed([str(ROOT / "scripts/bench-baseline"), IMAGE, str(MODEL), *log_file])


def whole_process(memory: list[float]) -> float:
    started = time.monotonic()
    process = subprocess.Popen(VALIDATE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"ivdocker validate gave exit code {process.returncode}")
    memory.append(usage.ru_maxrss / (1024 if sys.platform == "linux" else 1024 * 1024))
    return seconds


def in_process() -> float:
    import ivdocker

    binary = ivdocker.TensorFlowServing(IMAGE, "half_plus_two")
    runner = ivdocker.LocalDockerRunner(MODEL, binary, {})
    started = time.monotonic()
    try:
        runner.Start()
        runner.WaitUntilRunning(time.time() + 60)
        binary.MakeClient(runner.GetEndpoint()).WaitUntilModelLoaded(time.time() + 60)
    finally:
        runner.Stop()
    return time.monotonic() - started


def readiness_lag() -> float:
    """Milliseconds from the server's log line that it is ready until ivdocker sees it. The server loads for 1 s."""
    import ivdocker

    with model(load_seconds=1.0) as folder, ivdocker.serve(folder, image=IMAGE) as server:
        seen = time.time()
        while not (line := re.search(r"(?m)^(\S+ \S+?): I .*Exporting HTTP/REST API", server.logs)):
            time.sleep(0.01)
    ready = datetime.strptime(line[1], "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=timezone.utc)
    return (seen - ready.timestamp()) * 1000


def death_lag() -> float:
    """Milliseconds from the engine's FinishedAt until ivdocker's verdict, for a server that ends while it loads."""
    import ivdocker

    with model(load_seconds=1.0, exit_during_load=7) as folder:
        binary = ivdocker.TensorFlowServing(IMAGE, "m")
        runner = ivdocker.LocalDockerRunner(folder, binary, {})
        try:
            runner.Start()
            runner.WaitUntilRunning(time.time() + 60)
            try:
                binary.MakeClient(runner.GetEndpoint()).WaitUntilModelLoaded(time.time() + 60)
                raise SystemExit("a server that ended was taken for ready")
            except ivdocker.JobAborted:
                seen = time.time()
            inspect = ["docker", "container", "inspect", "--format={{.State.FinishedAt}}", str(runner.name)]
            finished = subprocess.run(inspect, check=True, capture_output=True, text=True).stdout
        finally:
            runner.Stop()
    # FinishedAt has nanoseconds; Python reads only six digits.
    ended = datetime.strptime(finished.strip().rstrip("Z")[:26], "%Y-%m-%dT%H:%M:%S.%f").replace(tzinfo=timezone.utc)
    return (seen - ended.timestamp()) * 1000


def waiting_cpu(servers: int) -> float:
    """CPU of this process while this many servers load, in percent of a core, without docker's client processes."""
    import ivdocker

    with model(load_seconds=LOAD_SECONDS + servers) as folder, ExitStack() as stopped:
        binary = ivdocker.TensorFlowServing(IMAGE, "m")
        runners = [ivdocker.LocalDockerRunner(folder, binary, {}) for _ in range(servers)]
        for runner in runners:
            stopped.callback(runner.Stop)
            runner.Start()
            runner.WaitUntilRunning(time.time() + 60)
        clients = [binary.MakeClient(runner.GetEndpoint()) for runner in runners]
        cpu, started = time.process_time(), time.monotonic()
        with ThreadPoolExecutor(servers) as pool:
            list(pool.map(lambda client: client.WaitUntilModelLoaded(time.time() + 60), clients))
        return 100 * (time.process_time() - cpu) / (time.monotonic() - started)


def triton_stop(*options: str) -> float:
    command = [IVDOCKER, "validate", str(TRITON_MODEL), "--image", TRITON, "--json", "-", "--quiet", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return float(json.loads(done.stdout)["runs"][0]["stages"]["stop"])


def show_tfx() -> None:
    """TFX's executor with each of the two runners, on a good model. The first run of each also imports."""
    if not TFX.exists() or not has_image(TFX_IMAGE):
        print("TFX's executor: not measured, TFX is not installed (scripts/test-tfx installs it)")
        return
    for ours, name in ((True, "ivdocker's runner, TFX's executor"), (False, "TFX's runner, TFX's executor")):
        given = {"model": str(MODEL / "1"), "image": TFX_IMAGE, "queries": 2, "repeat": 6, "ours": ours}
        command = [str(TFX), "-m", "tests.tfx.executor", json.dumps(given)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
        show(name, "s", [json.loads(line)["seconds"] for line in done.stdout.splitlines()[1:]])


def has_image(name: str) -> bool:
    done = subprocess.run(["docker", "image", "inspect", name], capture_output=True, check=False)
    return done.returncode == 0


@contextmanager
def model(**standin: object) -> Iterator[Path]:
    """A model folder for the stand-in, with these settings (delays and faults)."""
    with tempfile.TemporaryDirectory() as folder:
        version = Path(folder, "m", "1")
        version.mkdir(parents=True)
        version.joinpath("saved_model.pb").write_bytes(b"stand-in")
        version.joinpath("standin.json").write_text(json.dumps(standin))
        yield Path(folder, "m")


def version() -> float:
    return timed([IVDOCKER, "--version"]) * 1000


def imports_sh() -> bool:
    code = "import sys\nfrom ivdocker.cli.main import main\ntry: main(['--version'])\nexcept SystemExit: pass\n"
    code += "sys.exit('sh' in sys.modules or 'psutil' in sys.modules)"
    return subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False).returncode != 0


def timed(command: list[str]) -> float:
    started = time.monotonic()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return time.monotonic() - started


if __name__ == "__main__":
    main()
