"""A network that can be cut: bytes stop, connections stay and new ones come to nothing, as with a pulled cable."""

from __future__ import annotations

import trio


class Cable:
    """Carries every connection to one port on to another, while it is whole."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.port = 0
        self._open: set[trio.SocketStream] = set()
        self._whole = trio.Event()
        self._whole.set()

    def cut(self) -> None:
        """Let nothing through any more."""
        self._whole = trio.Event()

    async def mend(self) -> None:
        """Let bytes through again; what was open meanwhile is lost."""
        for stream in list(self._open):
            await trio.aclose_forcefully(stream)
        self._whole.set()

    async def run(self, task_status: trio.TaskStatus[Cable] = trio.TASK_STATUS_IGNORED) -> None:
        """Carry until cancelled."""
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = int(listeners[0].socket.getsockname()[1])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, self._serve, listeners)
            task_status.started(self)

    async def _serve(self, near: trio.SocketStream) -> None:
        await self._whole.wait()
        try:
            far = await trio.open_tcp_stream("127.0.0.1", self._target)
        except OSError:
            return
        self._open |= {near, far}
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._carry, near, far, nursery.cancel_scope)
                nursery.start_soon(self._carry, far, near, nursery.cancel_scope)
        finally:
            self._open -= {near, far}
            await trio.aclose_forcefully(far)

    async def _carry(self, one: trio.SocketStream, other: trio.SocketStream, end: trio.CancelScope) -> None:
        try:
            async for data in one:
                await self._whole.wait()
                await other.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        end.cancel("one end has gone")
