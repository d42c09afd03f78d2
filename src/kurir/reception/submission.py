"""What our own people hand in is completed, and leaves only under their own names (RFC 6409 sections 6 and 8)."""

from kurir.identity import Account, may_send_as, may_send_reports
from kurir.message.headers import Headers
from kurir.message.submission import Edits, prepare
from kurir.model import Address


def owns_reverse_path(account: Account, reverse_path: Address | None, separator: str) -> bool:
    """Whether the account may put this address on the envelope.  ``<>`` is anybody's: reports have it."""
    return reverse_path is None or may_send_as(account, reverse_path, separator=separator)


def complete(
    head: Headers,
    *,
    account: Account | None,
    reverse_path: Address | None,
    smtputf8: bool,
    at: float,
    message_id: str,
    separator: str,
) -> Edits:
    """Return what to add and to cut so that the message is whole, or why it is refused.

    `account` None is a program on this machine (local door): any From is right, a missing one is the
    reverse-path.
    """
    a_report = account is not None and reverse_path is None and may_send_reports(account)

    def owns(address: Address) -> bool:
        return account is None or a_report or may_send_as(account, address, separator=separator)

    return prepare(
        head,
        may_send_as=owns,
        at=at,
        message_id=message_id,
        add_from=reverse_path if account is None else None,
        smtputf8=smtputf8,
    )
