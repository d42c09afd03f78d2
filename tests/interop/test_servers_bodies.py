"""Bodies arrive byte-identical at real servers: Postfix, Exim, OpenSMTPD, Dovecot (LMTP), Kurir.

All messages are handed in first and looked for afterwards.  Each case has its own mailbox at each server, so a
file in it is the message, with the fields that servers write in front and nothing else changed.
"""

import re
from contextlib import ExitStack

import pytest

from tests.harness import Sink

from .servers.bodies import CASES
from .servers.dovecot import Dovecot
from .servers.exim import Exim
from .servers.office import Office, last, road
from .servers.opensmtpd import OpenSmtpd
from .servers.peer import crlf
from .servers.postfix import Postfix

pytestmark = pytest.mark.interop

# Fields that a server may put in front of what it stores.
TRACE_FIELDS = {
    b"return-path", b"received", b"delivered-to", b"x-original-to", b"envelope-to", b"delivery-date",
}  # fmt: skip
BOXES = tuple(CASES)
SERVERS = ("postfix", "exim", "opensmtpd", "dovecot", "dovecot-unix", "kurir", "sink")
# The domains whose mail all goes to one mailbox, by catch-all: there a message is found by its octets.
ONE_BOX = ("kurir", "dovecot-unix")
# What servers do to messages that are no proper mail, each to its own taste; the sink proves what Kurir sent.
CHANGED = {
    ("nul", "opensmtpd"): lambda m: re.sub(rb"\0[^\r]*", b"", m),  # a line ends at its first NUL
    ("header-only", "exim"): lambda m: m + b"\r\n",
    ("no-octets", "exim"): lambda m: m + b"\r\n",
    ("not-a-header", "exim"): lambda m: b"\r\n" + m,
    ("not-a-header", "postfix"): lambda m: b"\r\n" + m,
    ("no-octets", "opensmtpd"): None,  # gets Date and Message-ID
}
FATES = {
    ("not-a-header", "opensmtpd"): "bounced",  # 550 5.7.1: it insists on RFC 5322
}


def what_came(stored: bytes) -> bytes:
    """Return the stored message without the trace fields in front of it."""
    rest = stored
    while (field := re.match(rb"([!-9;-~]+):[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*", rest)) is not None:
        if field[1].lower() not in TRACE_FIELDS:
            break
        rest = rest[field.end() :]
    return rest


class Street:
    """The Kurir under test and every server that is installed here; `missing` says why one is not."""

    def __init__(self, stack: ExitStack, folder) -> None:
        self.missing: dict[str, str] = {}
        self.boxes: dict[str, object] = {}
        roads: list[str] = []
        makers = {
            "postfix": lambda: Postfix(users=BOXES),
            "exim": lambda: Exim(users=BOXES),
            "opensmtpd": lambda: OpenSmtpd(users=BOXES),
            "dovecot": lambda: Dovecot(users=(*BOXES, "all")),
        }
        sections = ""
        for name, make in makers.items():
            try:
                peer = stack.enter_context(make())
            except pytest.skip.Exception as reason:
                self.missing[name] = str(reason)
                continue
            self.boxes[name] = peer
            scheme = "lmtp" if name == "dovecot" else "smtp"
            roads.append(road(name, f"{scheme}://127.0.0.1:{peer.port}", [f"{name}.test"]))
            if name == "dovecot":
                self.boxes["dovecot-unix"] = peer
                sections = (
                    '[domains."dovecot-unix.test"]\ncatch_all = "all@dovecot-unix.test"\n'
                    f'deliver_to = "lmtp+unix://{peer.socket}"\n'
                )
        if "dovecot" in self.missing:
            self.missing["dovecot-unix"] = self.missing["dovecot"]
        self.second = stack.enter_context(Office(folder / "second", domain="kurir.test", catch_all="tester"))
        self.sink = stack.enter_context(Sink())
        roads.append(road("kurir", f"smtp://127.0.0.1:{self.second.smtp}", ["kurir.test"]))
        roads.append(road("sink", f"smtp://127.0.0.1:{self.sink.port}", ["sink.test"]))
        self.office = stack.enter_context(Office(folder / "first", roads, sections=sections))
        if "dovecot-unix" in self.boxes:
            self.office.user("all@dovecot-unix.test")

    def stored(self, server: str, case: str) -> list[bytes]:
        """Return the messages in the mailbox of a case, or in that of all."""
        if server == "sink":
            return [m.data for m in self.sink.messages if m.rcpts[0].startswith(f"RCPT TO:<{case}@")]
        if server == "kurir":
            return [crlf(m) for m in self.second.mail("tester")]
        return self.boxes[server].mail("all" if server in ONE_BOX else case)


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    with ExitStack() as stack:
        street = Street(stack, tmp_path_factory.mktemp("bodies"))
        street.ids = {
            street.office.send(
                f"{case}@{server}.test", wanted.message, parameters=wanted.parameters, whole=wanted.whole
            ): (server, case)
            for server in SERVERS
            if server not in street.missing
            for case, wanted in CASES.items()
        }
        street.office.wait_empty()
        street.second.wait_empty()
        stories = street.office.stories()
        street.stories = {place: stories[id] for id, place in street.ids.items()}
        yield street
        for office in (street.office, street.second):
            assert office.audit()["balanced"]


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("case", CASES)
def test_arrives_byte_identical(street, server, case):
    if server in street.missing:
        pytest.skip(street.missing[server])
    fate = FATES.get((case, server), "delivered" if server == "dovecot-unix" else "handed_over")
    (recipient,) = street.stories[server, case]["recipients"]
    assert recipient["fate"] == fate, last(street.stories[server, case])
    if fate == "bounced":
        return
    expected = CASES[case].expected
    change = CHANGED.get((case, server), lambda message: message)
    if change is None:
        return
    came = [what_came(stored) for stored in street.stored(server, case)]
    assert came.count(change(expected)) == 1
    assert server in ONE_BOX or len(came) == 1
