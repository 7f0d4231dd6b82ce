"""The program: ``ivdocker``, and ``python -m ivdocker``."""

import sys

from ivdocker import __version__


def run() -> None:
    """Run the command line and exit. ``--version`` alone is answered here: everything else takes 20 ms to import."""
    if sys.argv[1:] == ["--version"]:
        try:
            print(f"ivdocker {__version__}", flush=True)
        except OSError:
            sys.stdout = None
        return
    try:
        from ivdocker.cli.main import run_and_exit
    except KeyboardInterrupt:
        sys.stderr.write("ivdocker: interrupted by SIGINT; nothing was started\n")
        sys.exit(130)
    run_and_exit()


if __name__ == "__main__":
    run()
