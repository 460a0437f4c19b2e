"""Ends a program at Ctrl-C or SIGTERM, with every process that it started."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

import psutil

GO_ON = "To go on, run the same command again: finished steps are kept."

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_WAIT = 3.0  # seconds for killed processes to be gone

# `torchrun` sets the first, `accelerate launch` the second.
_SET_BY_LAUNCHERS = ("LOCAL_RANK", "ACCELERATE_MIXED_PRECISION")


@contextmanager
def ended_by_signals(advice: str = "") -> Iterator[None]:
    """End this process at once when it gets SIGINT or SIGTERM meanwhile.

    Jupyter kernels run in sessions of their own, which Ctrl-C does not reach, and a thread that
    waits for one cannot be interrupted. So they are killed, as a crash would end them: files are
    written aside, and a step without its marker is repeated. The exit status is that of a shell:
    128 and the number of the signal. A process of a launcher also ends when the launcher has ended.

    Args:
        advice: said after ``interrupted``.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Python handles signals in the main thread alone
        return

    def end(number: int, frame: FrameType | None) -> NoReturn:
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        end_children()
        # The streams may be in the middle of a line, or locked by a thread.
        if os.environ.get("RANK", "0") == "0":
            os.write(2, f"\nhybridlib: interrupted. {advice}".rstrip().encode() + b"\n")
        os._exit(128 + number)

    before = {each: signal.signal(each, end) for each in _SIGNALS}
    if any(name in os.environ for name in _SET_BY_LAUNCHERS):
        threading.Thread(target=_end_with_parent, args=[os.getppid()], daemon=True).start()
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def end_children() -> None:
    """Kill all processes that this one started, and those that they started."""
    # One that was about to start another is dead after the first round.
    for _ in range(3):
        children = psutil.Process().children(recursive=True)
        if not children:
            return
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        psutil.wait_procs(children, timeout=_WAIT)


def _end_with_parent(parent: int) -> None:
    """Wait until the launcher has ended; then end this process and those that it started."""
    while os.getppid() == parent:
        time.sleep(1)
    end_children()
    os._exit(1)
