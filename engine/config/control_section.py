"""The table ``control``: the door on TCP, for browsers and for programs that are not on this socket."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr

from engine.config.section import Section


class ControlSection(Section):
    """``control``: where the control API and the dashboard stand. The Unix socket is always there."""

    tcp: bool = True
    host: Literal["127.0.0.1", "::1"] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8790
    token: SecretStr | None = None
