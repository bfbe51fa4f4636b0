"""The token's age."""

import pytest
import trio

from engine.errors import OutcomeUnknown
from engine.kraken.settings import Secret
from engine.kraken.ws_token import WsToken


class Issuer:
    """Counts the tokens it gives."""

    def __init__(self):
        self.given = 0
        self.fails = 0
        self.again = []

    async def websockets_token(self, *, again=False):
        """Give one after a second, unless it is to fail."""
        await trio.sleep(1)
        self.again.append(again)
        if self.fails:
            self.fails -= 1
            raise OutcomeUnknown("no token")
        self.given += 1
        return Secret(f"token-{self.given}")


@pytest.fixture
def issuer():
    """Where tokens come from."""
    return Issuer()


async def test_token_is_renewed_before_it_is_too_old(issuer, autojump_clock):
    """Thirteen minutes after it was asked for, unless a private subscription holds it alive."""
    token = WsToken(issuer)
    await token.renew()
    await trio.sleep(778)
    assert await token.current() == "token-1"
    await trio.sleep(1)
    assert await token.current() == "token-2" == token.reveal()
    token.held = True
    await trio.sleep(5000)
    assert await token.current() == "token-2"
    token.held = False
    assert await token.current() == "token-3"


async def test_every_connection_has_its_own(issuer, autojump_clock):
    """However young the last one is, once it was shown; one that no connection has seen is kept."""
    token = WsToken(issuer)
    await token.renew()
    await token.renew()
    assert token.reveal() == "token-1"
    token.held = True
    await token.renew()
    assert (token.reveal(), token.held) == ("token-2", False)
    assert "token-2" not in repr(token._token)


async def test_token_that_failed_is_asked_for_again_as_such(issuer, autojump_clock):
    """Until one comes: the questions in between stand in line with the fills."""
    token = WsToken(issuer)
    issuer.fails = 2
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            await token.renew()
    await token.renew()
    assert token.reveal() == "token-1"
    await token.renew()
    assert issuer.again == [False, True, True, False]
