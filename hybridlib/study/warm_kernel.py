"""One Jupyter kernel for several notebooks: what the first one imports, the next need not wait for.

Each notebook begins with an empty namespace. Only imported modules stay.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_of_thread = threading.local()
_PATIENCE = 60  # seconds that a kernel may take to answer


@contextmanager
def warm_kernel() -> Iterator[None]:
    """Execute the notebooks that this thread runs meanwhile in one kernel."""
    _of_thread.kernel = _Kernel()
    try:
        yield
    finally:
        _of_thread.kernel.end()
        _of_thread.kernel = None


def options_for(folder: Path) -> dict[str, Any]:
    """Return what papermill needs to use this thread's kernel; nothing where it has none.

    Args:
        folder: that the notebook runs in.
    """
    kernel = getattr(_of_thread, "kernel", None)
    return {} if kernel is None else {"km": kernel.ready(folder)}


class _Kernel:
    """A kernel that is started when it is first needed, and again if it has died."""

    def __init__(self) -> None:
        self._manager: Any = None

    def ready(self, folder: Path) -> Any:
        """Return the manager of a running kernel with an empty namespace."""
        from jupyter_core.utils import run_sync  # an optional dependency

        if self._manager is not None and not run_sync(self._manager.is_alive)():
            self.end()
        if self._manager is None:
            run_sync(self._start)(folder)
        else:
            run_sync(self._reset)()
        return self._manager

    async def _start(self, folder: Path) -> None:
        """Start the kernel."""
        from jupyter_client.manager import AsyncKernelManager  # an optional dependency

        self._manager = AsyncKernelManager(kernel_name="python3")
        await self._manager.start_kernel(extra_arguments=["--log-level=ERROR"], cwd=str(folder))

    async def _reset(self) -> None:
        """Forget every name that a notebook has left."""
        client = self._manager.client()
        client.start_channels()
        try:
            await client.wait_for_ready(timeout=_PATIENCE)
            await client.execute("%reset -f", silent=True, reply=True, timeout=_PATIENCE)
        finally:
            client.stop_channels()

    def end(self) -> None:
        """Stop the kernel, if there is one."""
        from jupyter_core.utils import run_sync  # an optional dependency

        if self._manager is not None:
            run_sync(self._manager.shutdown_kernel)(now=True)
            self._manager = None
