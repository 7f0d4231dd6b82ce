"""Work in the background: whatever is started early in its own thread, so that its result is ready later."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


def in_thread(work: Callable[[], object], name: str) -> threading.Thread | None:
    """Start the work in its own thread. Return None if the system has no thread to spare."""
    thread = threading.Thread(target=work, name=f"ivdocker-{name}", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        return None
    return thread


class Ahead(Generic[T]):
    """Work in its own thread. The creator must call :meth:`result`, or at least :meth:`wait`.

    If the system has no thread to spare, the constructor does the work.
    """

    def __init__(self, work: Callable[[], T], name: str) -> None:
        self._work = work
        self._result: list[T] = []
        self._error: BaseException | None = None
        self._is_done = threading.Event()
        if in_thread(self._run, name) is None:
            self._run()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait at most ``seconds`` for the work (None: no limit). Return whether it is done."""
        return self._is_done.wait(seconds)

    def result(self) -> T:
        """Wait for the work and return its result. Raises what the work raised."""
        self._is_done.wait()
        if self._error is not None:
            raise self._error
        return self._result[0]

    def _run(self) -> None:
        try:
            self._result.append(self._work())
        except BaseException as error:  # noqa: BLE001  (result() raises it)
            self._error = error
        finally:
            self._is_done.set()
