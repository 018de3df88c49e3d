"""Waiting for what another process, a thread or a page is about to do."""

import time

import psutil


def wait_until(condition, seconds: float = 15, what: str = "the condition") -> float:
    """Seconds until `condition()` is true.

    Raises:
        TimeoutError: it never was.
    """
    start = time.perf_counter()
    while time.perf_counter() - start < seconds:
        if condition():
            return time.perf_counter() - start
        time.sleep(0.01)
    raise TimeoutError(f"{what} did not happen within {seconds} s")


def ended(pid: int) -> bool:
    """Whether a process runs no more; it may wait for somebody to ask how it ended."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
