"""The empty reverse-path of an account: free to all, with a From of somebody else only for a server's account."""

import pytest

from kurir.identity import REPORTS, Account, AccountError, make_account, may_send_as, may_send_reports
from kurir.message.headers import scan
from kurir.model import Address, parse_address
from kurir.reception.submission import complete, owns_reverse_path

PERSON = Account("ana@a.example", ("ana@a.example",), "hash")
SERVER = Account("mx@a.example", ("mx@a.example", "*@office.example", REPORTS), "hash")
ANA, DAEMON = parse_address("ana@a.example"), "MAILER-DAEMON@mx.office.test"


@pytest.mark.parametrize(
    ("account", "reverse_path", "author", "taken"),
    [
        (PERSON, None, "ana@a.example", True),  # a notice of a mail program (RFC 8098 section 3)
        (PERSON, None, DAEMON, False),
        (SERVER, None, DAEMON, True),
        (SERVER, parse_address("x@office.example"), "x@office.example", True),
        (SERVER, parse_address("x@office.example"), DAEMON, False),
        (SERVER, ANA, "x@office.example", False),
    ],
)
def test_who_may_send_what(account: Account, reverse_path: Address | None, author: str, taken: bool) -> None:
    edits = complete(
        scan(f"From: <{author}>\r\nSubject: s\r\n\r\n".encode()),
        account=account,
        reverse_path=reverse_path,
        smtputf8=False,
        at=0.0,
        message_id="<a@b>",
        separator="+",
    )
    assert (owns_reverse_path(account, reverse_path, "+") and edits.reply is None) is taken


def test_the_mark_of_a_server_is_no_address() -> None:
    assert may_send_reports(SERVER)
    assert not may_send_reports(PERSON)
    assert not may_send_as(SERVER, Address("", ""))
    assert not may_send_as(SERVER, parse_address("postmaster", bare_postmaster=True))


class _Hashes:
    def hash(self, password: str) -> str:
        return "hash of " + str(len(password))


def test_an_account_of_a_server_is_made_so() -> None:
    made = make_account(
        "mx@a.example", [REPORTS], passwords=_Hashes(), random=lambda n: b"x" * n, now=0.0, scram=False
    )  # type: ignore[arg-type]
    assert made.account.addresses == ("mx@a.example", "<>")
    with pytest.raises(AccountError):
        make_account("mx@a.example", ["<x>"], passwords=_Hashes(), random=lambda n: b"x" * n, now=0.0)  # type: ignore[arg-type]
