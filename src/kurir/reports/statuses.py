"""The enhanced status code of each cause, for reports where the other side gave none (RFC 3463, IANA registry of RFC 5248).

Only subject and detail are in the table; the class (2 done, 4 for now, 5 for good) follows from what is reported.
"""

from kurir.model import Cause, Outcome, OutcomeKind

DETAILS: dict[Cause, str] = {
    Cause.OK: "0.0",
    Cause.MAILBOX_FULL: "2.2",
    Cause.UNKNOWN_USER: "1.1",
    Cause.DISABLED_USER: "2.1",
    Cause.UNKNOWN_DOMAIN: "1.2",
    Cause.NULL_MX: "1.10",  # RFC 7505
    Cause.SUPPRESSED: "1.1",
    Cause.DNS_FAILURE: "4.3",
    Cause.UNREACHABLE: "4.1",
    Cause.CONNECTION_LOST: "4.2",
    Cause.TIMEOUT: "4.2",
    Cause.LOST_REPLY: "4.2",
    Cause.PROTOCOL_ERROR: "5.0",
    Cause.PORT_BLOCKED: "4.1",
    Cause.TLS_FAILED: "7.5",
    Cause.TLS_REQUIRED: "7.10",  # "encryption needed"
    Cause.TLS_UNTRUSTED: "7.5",
    Cause.TLS_LOST: "7.10",
    Cause.LOOP: "4.6",
    Cause.GREYLISTED: "7.1",
    Cause.RATE_LIMITED: "7.28",
    Cause.QUOTA_SPENT: "4.5",
    Cause.TOO_MANY_RECIPIENTS: "5.3",
    Cause.TOO_LARGE: "3.4",
    Cause.BUSY: "3.2",
    Cause.REMOTE_FAULT: "3.0",
    Cause.BLOCKLISTED: "7.1",
    Cause.BAD_REPUTATION: "7.1",
    Cause.SPF_FAIL: "7.23",  # RFC 7372
    Cause.DKIM_FAIL: "7.20",
    Cause.DMARC_FAIL: "7.26",
    Cause.NO_PTR: "7.25",
    Cause.RELAY_DENIED: "7.1",
    Cause.AUTH_FAILED: "7.8",  # RFC 4954
    Cause.LOGIN_BRAKED: "7.0",
    Cause.AUTH_REQUIRED: "7.0",
    Cause.SENDER_NOT_YOURS: "7.1",
    Cause.SENDER_REJECTED: "1.8",
    Cause.SENDER_UNPROVEN: "7.1",
    Cause.SENDER_NOT_LISTED: "7.23",  # RFC 7372
    Cause.AUTHOR_UNCLEAR: "7.1",
    Cause.CONTENT_SPAM: "7.1",
    Cause.CONTENT_FORBIDDEN: "7.0",
    Cause.MALFORMED: "6.0",
    Cause.NEEDS_SMTPUTF8: "6.7",  # RFC 6531
    Cause.NEEDS_8BIT: "6.3",
    Cause.POLICY_RECEIVER: "7.1",
    Cause.CONFIGURATION: "3.5",
    Cause.DISK_FULL: "3.1",
    Cause.STORAGE_FAILED: "3.0",
    Cause.HELD: "7.0",
    Cause.EXPIRED: "4.7",
    Cause.DELETED: "7.0",
    Cause.SANDBOX: "0.0",
    Cause.BODY_DAMAGED: "6.0",
    Cause.NO_BACKSCATTER: "7.0",
    Cause.SHUTDOWN: "3.2",
    Cause.UNKNOWN: "0.0",
}

LIMITED = "4.4.5"
"""Mail that waits for a limit of others, or whose time was over while it did: too much mail for now (RFC 3463 section 3.5)."""

# RFC 3464 section 2.3.3 with the class that RFC 3463 section 2 gives each.
ACTIONS: dict[str, str] = {"failed": "5", "delayed": "4", "delivered": "2", "relayed": "2", "expanded": "2"}


def status_of(action: str, outcome: Outcome | None) -> str:
    """Return the status to report: the peer's own code where it fits the action, else the one of the cause.

    A recipient that failed because its time ran out keeps the class 4 of its last refusal (RFC 3464 section 2.3.4
    allows that): it says that the address may be good.
    """
    klass = ACTIONS[action]
    if outcome is None:
        return f"{klass}.0.0"
    if action == "failed" and outcome.kind is OutcomeKind.DEFERRED:
        klass = "4"
    if klass == "2":
        return _same_class(outcome, klass) or "2.0.0"
    return _same_class(outcome, klass) or f"{klass}.{DETAILS[outcome.cause]}"


def _same_class(outcome: Outcome, klass: str) -> str | None:
    """The peer's enhanced code, put into the class of what is reported: a quota comes as 550 and waits all the same."""
    enhanced = outcome.reply.enhanced if outcome.reply else None
    if not enhanced or (klass == "2") != (enhanced[0] == "2"):
        return None
    return klass + enhanced[1:]
