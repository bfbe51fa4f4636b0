"""The private channels: asked for until they stand (§5.5, §9.1)."""

from __future__ import annotations

import itertools

import structlog
import trio

from engine.errors import VenueRefused
from engine.kraken import ws
from engine.kraken.frames import Response
from engine.kraken.ws_orders import WsOrders
from engine.kraken.ws_token import WsToken

log = structlog.get_logger()

CHANNELS = ("executions", "balances")
_WANTED = {
    "executions": {"snap_orders": True, "snap_trades": True, "order_status": True, "ratecounter": True},
    "balances": {"snapshot": True},
}
ACK_TIMEOUTS_S = (1.0, 2.0, 4.0, 8.0)
"""How long an answer is waited for: one may get lost, and the stream is still back within its five seconds."""
AGAIN_S = 30.0
"""How often balances are asked for after that: no reason to give a connection up that carries orders."""


class PrivateSubscriptions:
    """Executions and balances on one connection. ``stands`` tells that a channel does, however that was learnt."""

    def __init__(self, orders: WsOrders, token: WsToken) -> None:
        self._orders, self._token = orders, token
        self._asked: dict[int, str] = {}
        self._standing = {name: trio.Event() for name in CHANNELS}

    async def executions(self, socket: ws.Socket) -> bool:
        """Ask for executions a few times; tell whether they stand."""
        for wait_s in ACK_TIMEOUTS_S:
            if await self._ask(socket, "executions", wait_s):
                return True
        return False

    async def balances(self, socket: ws.Socket) -> None:
        """Ask for balances until they stand or the connection ends."""
        for wait_s in itertools.chain(ACK_TIMEOUTS_S, itertools.repeat(AGAIN_S)):
            if await self._ask(socket, "balances", wait_s):
                return

    async def _ask(self, socket: ws.Socket, channel: str, wait_s: float) -> bool:
        token = await self._token.current()
        params = {"channel": channel, **_WANTED[channel], "token": token}
        await self._orders.send(socket, "subscribe", params, lambda req_id: self._asked.update({req_id: channel}))
        with trio.move_on_after(wait_s):
            await self._standing[channel].wait()
            return True
        log.warning("subscription.unanswered", link="private", channel=channel, waited_s=wait_s)
        return False

    def answered(self, response: Response) -> str:
        """Take an answer and return its channel. Raises VenueRefused when the channel was refused."""
        channel = self._asked.pop(response.req_id or 0, "")
        if not response.success and not (response.error or "").startswith("Already subscribed"):
            raise VenueRefused([response.error or "subscription refused without a reason"])
        return channel

    def stands(self, channel: str) -> bool:
        """Note a channel that the venue has accepted, by its answer or its first frame; tell whether that is new."""
        if channel not in self._standing or self._standing[channel].is_set():
            return False
        self._standing[channel].set()
        self._token.held = True
        return True
