"""The closed lists of ends and reasons.  Each member has a sentence in both languages (a test insists)."""

from enum import Enum


class Fate(str, Enum):
    """How a recipient of an accepted message ended.  Exactly one of these, or the recipient still waits."""

    DELIVERED = "delivered"  # stored in a mailbox here, or taken by our own LMTP store
    HANDED_OVER = "handed_over"  # the next server said 250
    CAPTURED = "captured"  # kept in the sandbox of a playground on purpose
    BOUNCED = "bounced"  # refused for good; the sender is told where that is right
    EXPIRED = "expired"  # no success within the queue lifetime
    DISCARDED = "discarded"  # thrown away by a named rule
    DELETED = "deleted"  # removed by a named person


class Cause(str, Enum):
    """Why an attempt, a refusal or a wait happened."""

    OK = "ok"
    # the recipient
    MAILBOX_FULL = "mailbox_full"
    UNKNOWN_USER = "unknown_user"
    DISABLED_USER = "disabled_user"
    UNKNOWN_DOMAIN = "unknown_domain"
    NULL_MX = "null_mx"
    SUPPRESSED = "suppressed"  # on our own list of dead addresses
    # the way there
    DNS_FAILURE = "dns_failure"
    UNREACHABLE = "unreachable"
    CONNECTION_LOST = "connection_lost"
    TIMEOUT = "timeout"
    LOST_REPLY = "lost_reply"
    PROTOCOL_ERROR = "protocol_error"
    PORT_BLOCKED = "port_blocked"
    TLS_FAILED = "tls_failed"
    TLS_REQUIRED = "tls_required"
    TLS_UNTRUSTED = "tls_untrusted"
    TLS_LOST = "tls_lost"
    LOOP = "loop"
    # what the other side allows
    GREYLISTED = "greylisted"
    RATE_LIMITED = "rate_limited"
    QUOTA_SPENT = "quota_spent"
    TOO_MANY_RECIPIENTS = "too_many_recipients"
    TOO_LARGE = "too_large"
    BUSY = "busy"
    REMOTE_FAULT = "remote_fault"
    # trust
    BLOCKLISTED = "blocklisted"
    BAD_REPUTATION = "bad_reputation"
    SPF_FAIL = "spf_fail"
    DKIM_FAIL = "dkim_fail"
    DMARC_FAIL = "dmarc_fail"
    NO_PTR = "no_ptr"
    RELAY_DENIED = "relay_denied"
    AUTH_FAILED = "auth_failed"
    LOGIN_BRAKED = "login_braked"
    AUTH_REQUIRED = "auth_required"
    SENDER_NOT_YOURS = "sender_not_yours"
    SENDER_REJECTED = "sender_rejected"
    SENDER_UNPROVEN = (
        "sender_unproven"  # here, by DMARC or a rule of ours; DMARC_FAIL is what others say of our mail
    )
    SENDER_NOT_LISTED = "sender_not_listed"  # likewise, by SPF
    AUTHOR_UNCLEAR = "author_unclear"
    # content
    CONTENT_SPAM = "content_spam"
    CONTENT_FORBIDDEN = "content_forbidden"
    MALFORMED = "malformed"
    NEEDS_SMTPUTF8 = "needs_smtputf8"
    NEEDS_8BIT = "needs_8bit"
    POLICY_RECEIVER = "policy_receiver"
    # ourselves
    CONFIGURATION = "configuration"
    DISK_FULL = "disk_full"
    STORAGE_FAILED = "storage_failed"
    HELD = "held"
    EXPIRED = "expired"
    DELETED = "deleted"
    SANDBOX = "sandbox"
    BODY_DAMAGED = "body_damaged"
    NO_BACKSCATTER = "no_backscatter"
    SHUTDOWN = "shutdown"
    UNKNOWN = "unknown"
