"""What metrics show of the queue."""

import msgspec


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What metrics show.  `oldest` is the age in seconds of the oldest waiting message."""

    waiting: int
    ready: int
    open_leases: int
    open_notices: int
    messages: int
    oldest: float
    accepted_messages: int
    accepted_recipients: int
    loaded_recipients: int
    fates: dict[str, int]
    attempts: dict[str, int]
    possibly_delivered: int
    recovered: int
    duplicates: int
    ignored_results: int
    notices_met: int
    paced: int
    slowed: int
    refused_full: int
    batches: int
    changes: int
    full: bool
    failed: bool
