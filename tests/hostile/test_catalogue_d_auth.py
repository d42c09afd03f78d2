"""Every case of catalogue D on 587 after STARTTLS and on 465, and what concerns many sessions at once."""

import pytest

from .cases import Case, Transport
from .catalogue_d_auth import CASES, ON_PORT_25
from .playing import ids, play_all
from .stage import Stage, every

WRONG = b"AUTH PLAIN AG5vYm9keUBleGFtcGxlLnRlc3QAeA==\r\n"  # nobody@example.test, x


@pytest.mark.parametrize("transport", [Transport.STARTTLS, Transport.TLS], ids=ids)
@pytest.mark.parametrize("case", CASES, ids=ids)
def test_login(stage: Stage, case: Case, transport: Transport) -> None:
    play_all(stage, case, transport, login=False)


@pytest.mark.parametrize(("case", "transport"), every(ON_PORT_25), ids=ids)
def test_port_25(stage: Stage, case: Case, transport: Transport) -> None:
    play_all(stage, case, transport)


@pytest.mark.parametrize("transport", [Transport.PLAIN, Transport.STARTTLS], ids=ids)
def test_auth_is_not_advertised_where_it_is_not_taken(stage: Stage, transport: Transport) -> None:
    with stage.player.connect(transport) as client:
        assert b"AUTH" not in client.hello(b"EHLO again.test\r\n")


def test_auth_on_587_waits_for_tls(stage: Stage) -> None:
    with stage.player.anonymous(stage.server.submission) as client:
        assert b"AUTH" not in client.hello(b"EHLO again.test\r\n")
        client.ask(WRONG, "530 5.7.0")


def test_guessing_from_one_address_ends_there_and_nowhere_else(stage: Stage) -> None:
    """62: the address of the guesser is stopped; where the owner has logged in before, the owner still does."""
    guesser, home, tries = "127.200.1.1", "127.201.1.1", 0
    with stage.player.connect(Transport.TLS, home):
        pass
    for _ in range(8):
        with stage.player.connect(Transport.TLS, guesser, login=False) as client:
            for _ in range(5):
                client.send((b"AUTH PLAIN AHVzZXJAZXhhbXBsZS50ZXN0AHdyb25n\r\n",))
                said = client.reply() or ""
                tries += 1
                if said.startswith("421"):
                    break
        if said.startswith("421"):
            break
    assert said.startswith("421 4.7.0")
    assert tries <= 21
    with stage.player.connect(Transport.TLS, home):
        pass  # logs in as the very same account


def test_what_was_stored(stage: Stage) -> None:
    assert stage.reckon() == []
