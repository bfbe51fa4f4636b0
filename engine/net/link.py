"""The link's machine: every state of a connection that is kept up, in the order of a life.

Nothing here knows of sockets or time. ``healthy degraded unhealthy`` mean: the stream is complete up to now.
"""

from __future__ import annotations

from typing import Final

from statemachine import State, StateMachine
from statemachine.exceptions import TransitionNotAllowed

from engine.errors import OrderInvariantError

COMPLETE: Final = frozenset({"healthy", "degraded", "unhealthy"})
"""What the stream said up to now is all there was to say."""


class LinkMachine(StateMachine):
    """One link to a venue, over all its connections. ``model`` carries ``state``."""

    # StateMachine's own values, kept in view because the parent class StateChart has the opposite ones
    allow_event_without_transition = False
    enable_self_transition_entries = False
    atomic_configuration_update = True
    catch_errors_as_events = False

    disconnected = State("disconnected", initial=True)  # nobody keeps it up
    connecting = State("connecting")  # token, TCP, TLS, handshake
    connected = State("connected")  # open, nothing subscribed yet
    authenticated = State("authenticated")  # the private subscriptions are acknowledged
    healthy = State("healthy")
    degraded = State("degraded")  # late heartbeats, slow pings, too many errors or gaps
    unhealthy = State("unhealthy")  # worse; without heartbeats it is given up
    reconnecting = State("reconnecting")  # lost, or never came about: the next try waits

    dial = disconnected.to(connecting) | reconnecting.to(connecting)
    connect = connecting.to(connected)
    authenticate = connected.to(authenticated)
    complete = (
        authenticated.to(healthy) | connected.to(healthy)  # a public stream has nobody to authenticate
    )
    degrade = healthy.to(degraded) | unhealthy.to(degraded)
    sicken = healthy.to(unhealthy) | degraded.to(unhealthy)
    recover = degraded.to(healthy) | unhealthy.to(healthy)
    lose = (
        connecting.to(reconnecting)
        | connected.to(reconnecting)
        | authenticated.to(reconnecting)
        | healthy.to(reconnecting)
        | degraded.to(reconnecting)
        | unhealthy.to(reconnecting)
    )
    stop = (
        connecting.to(disconnected)
        | connected.to(disconnected)
        | authenticated.to(disconnected)
        | healthy.to(disconnected)
        | degraded.to(disconnected)
        | unhealthy.to(disconnected)
        | reconnecting.to(disconnected)
    )


def fire(machine: StateMachine, event: str) -> str:
    """Move ``machine`` by ``event`` and return the state it is in now.

    A move that has no row raises OrderInvariantError and changes nothing.
    """
    try:
        machine.send(event)
    except TransitionNotAllowed as error:
        raise OrderInvariantError(f"{type(machine).__name__}: {event!r} is not legal here: {error}") from error
    return str(machine.model.state)
