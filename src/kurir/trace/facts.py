"""What a timeline is told from: the message's own facts, adapted from whatever store keeps them."""

import msgspec

from kurir.model import Address, Fate, LimitFacts, Origin, Urgency, UrgencyBy


class RecipientFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One recipient as it stands now.

    Either `fate` is set (ended), or `held` is a reason, or it waits for `next_at` (epoch seconds, None where
    its time is not known).  `wanted` is what the sender typed where an alias turned it into `address`.  `limit` is what
    it waits for, where that is a limit of others, and `trying` that an attempt is under way; only the running server knows.
    """

    index: int
    address: Address
    fate: Fate | None = None
    next_at: float | None = None
    held: str | None = None
    attempts: int = 0
    wanted: Address | None = None
    limit: LimitFacts | None = None
    trying: bool = False


class MessageFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One accepted message.  `reverse_path` None is the null sender; `size` counts octets."""

    number: int
    accepted_at: float
    reverse_path: Address | None
    recipients: tuple[RecipientFacts, ...]
    origin: Origin
    size: int = 0
    subject: str = ""
    message_id: str = ""
    header_from: str = ""
    require_tls: bool = False
    sealed: bool = False
    urgency: Urgency = Urgency.ORDINARY
    urgency_by: UrgencyBy = UrgencyBy.NOTHING
