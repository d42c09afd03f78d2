"""One table from sisimai's 35 reasons to ours: which causes mean the same thing.

What a reason of sisimai covers is what its own list of phrases and its documentation say, wider in places than its name.
"""

from kurir.model import Cause as C

SAME: dict[str, frozenset[C]] = {
    reason: frozenset(causes)
    for reason, causes in {
        # the address
        "userunknown": {C.UNKNOWN_USER},
        "hasmoved": {C.UNKNOWN_USER},
        "hostunknown": {C.UNKNOWN_DOMAIN},
        # "filtered" is sisimai's word for "user unknown" said later than at RCPT, or a recipient's own filter
        "filtered": {C.UNKNOWN_USER, C.DISABLED_USER, C.POLICY_RECEIVER},
        "suspend": {C.DISABLED_USER},
        "mailboxfull": {C.MAILBOX_FULL},
        # ... including a domain without any mail server
        "notaccept": {C.NULL_MX, C.UNKNOWN_DOMAIN},
        # the way
        "networkerror": {
            C.DNS_FAILURE,
            C.UNKNOWN_DOMAIN,
            C.UNREACHABLE,
            C.CONNECTION_LOST,
            C.TIMEOUT,
            C.LOOP,
        },
        "expired": {C.EXPIRED, C.UNREACHABLE, C.CONNECTION_LOST, C.TIMEOUT},
        "failedstarttls": {C.TLS_FAILED, C.TLS_REQUIRED, C.TLS_UNTRUSTED},
        # ... "loops back to myself", "would create a mail loop"
        "systemerror": {C.REMOTE_FAULT, C.BUSY, C.CONFIGURATION, C.LOOP},
        "systemfull": {C.BUSY, C.REMOTE_FAULT},
        "mailererror": {C.REMOTE_FAULT},
        "syntaxerror": {C.PROTOCOL_ERROR, C.MALFORMED},
        # what the other side allows
        # ... "too many recipients", "exceeded the max emails per hour", "daily message quota exceeded"
        "toomanyconn": {C.RATE_LIMITED, C.BUSY, C.TOO_MANY_RECIPIENTS, C.QUOTA_SPENT},
        "speeding": {C.RATE_LIMITED, C.QUOTA_SPENT},
        "ratelimited": {C.RATE_LIMITED, C.BUSY},
        "exceedlimit": {C.TOO_LARGE},
        "mesgtoobig": {C.TOO_LARGE},
        # trust
        # by the address or the name of the sending host; a server that does not talk to us at all ("connection refused by",
        # "connection reset by peer", "service not available, closing transmission channel") and greylisting count here, too
        "blocked": {
            C.BLOCKLISTED,
            C.BAD_REPUTATION,
            C.NO_PTR,
            C.UNREACHABLE,
            C.CONNECTION_LOST,
            C.BUSY,
            C.GREYLISTED,
        },
        # some ask to slow down because of it
        "badreputation": {C.BAD_REPUTATION, C.RATE_LIMITED},
        "authfailure": {C.SPF_FAIL, C.DKIM_FAIL, C.DMARC_FAIL},
        "requireptr": {C.NO_PTR},
        "norelaying": {C.RELAY_DENIED},
        # "rejected" is the sender's address or domain refused, by whatever rule ("not owned by user")
        "rejected": {C.SENDER_REJECTED, C.SENDER_NOT_YOURS, C.POLICY_RECEIVER},
        "securityerror": {C.AUTH_REQUIRED, C.AUTH_FAILED, C.TLS_REQUIRED, C.POLICY_RECEIVER},
        # content
        "spamdetected": {C.CONTENT_SPAM},
        "virusdetected": {C.CONTENT_FORBIDDEN},
        "contenterror": {C.MALFORMED, C.CONTENT_FORBIDDEN, C.NEEDS_8BIT, C.NEEDS_SMTPUTF8},
        "notcompliantrfc": {C.MALFORMED},
        "policyviolation": {C.POLICY_RECEIVER, C.CONTENT_FORBIDDEN, C.MALFORMED},
        # "on hold" and "undefined" are sisimai's words for not knowing
        "onhold": {C.UNKNOWN, C.REMOTE_FAULT, C.BUSY, C.POLICY_RECEIVER},
        "undefined": {C.UNKNOWN, C.REMOTE_FAULT, C.BUSY, C.POLICY_RECEIVER},
        "delivered": {C.OK},
    }.items()
}

# Reasons that are a kind of message, not a cause.
KINDS = {"feedback": "complaint", "vacation": "auto_reply"}
