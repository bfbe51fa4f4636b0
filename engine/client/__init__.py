"""A running engine driven from another program, on asyncio, trio or neither: httpx and nothing of the engine.

``Client`` blocks, ``AsyncClient`` awaits; both have one method for each verb of the door::

    with Client.on(data_dir) as engine:
        verdict = engine.submit({...})
        for report in engine.reports(after=verdict["offset"]):
            ...

Answers are JSON as the door gives it, amounts as strings: ``Decimal(answer["cum_qty"])`` loses no digit.
"""

from engine.client.asynchronous import AsyncClient
from engine.client.errors import ClientError, Refused, Unreachable
from engine.client.place import Place, find_place
from engine.client.synchronous import Client

__all__ = ["AsyncClient", "Client", "ClientError", "Place", "Refused", "Unreachable", "find_place"]
