"""``python -m ivdocker``."""

from ivdocker.cli.main import run_and_exit

if __name__ == "__main__":
    run_and_exit()
