"""What status codes mean, as data: the tables behind `replies.classify_reply` that hold for every server.

Firm are enhanced codes that say one thing only (RFC 3463 and its registry, RFC 5248); weak are those that
are used for many things; last comes the basic code (RFC 5321 section 4.2).
"""

from types import MappingProxyType

from kurir.model import Cause

# Enhanced codes that mean one thing wherever they are seen.  Keys are "subject.detail".
FIRM: MappingProxyType[str, Cause] = MappingProxyType(
    {
        "1.1": Cause.UNKNOWN_USER,
        "1.2": Cause.UNKNOWN_DOMAIN,
        "1.4": Cause.UNKNOWN_USER,
        "1.6": Cause.UNKNOWN_USER,
        "1.7": Cause.SENDER_REJECTED,
        "1.8": Cause.SENDER_REJECTED,
        "2.2": Cause.MAILBOX_FULL,
        "2.3": Cause.TOO_LARGE,
        "3.4": Cause.TOO_LARGE,
        "3.5": Cause.REMOTE_FAULT,
        "4.6": Cause.LOOP,
        "5.3": Cause.TOO_MANY_RECIPIENTS,
        "6.7": Cause.NEEDS_SMTPUTF8,
        "7.8": Cause.AUTH_FAILED,
        "7.10": Cause.TLS_REQUIRED,
        "7.11": Cause.TLS_REQUIRED,
        "7.12": Cause.AUTH_FAILED,
        "7.13": Cause.DISABLED_USER,
        "7.20": Cause.DKIM_FAIL,
        "7.21": Cause.DKIM_FAIL,
        "7.22": Cause.DKIM_FAIL,
        "7.23": Cause.SPF_FAIL,
        "7.24": Cause.SPF_FAIL,
        "7.25": Cause.NO_PTR,
        "7.27": Cause.SENDER_REJECTED,
    }
)

# A firm code is overruled by a text that says one of these unmistakably: servers that put 5.1.1 on everything.
FIRM_OVERRULED_BY = frozenset(
    {
        Cause.MAILBOX_FULL,
        Cause.RELAY_DENIED,
        Cause.LOOP,
        Cause.BLOCKLISTED,
        Cause.GREYLISTED,
        Cause.QUOTA_SPENT,
        Cause.SUPPRESSED,
    }
)

# Enhanced codes that are used for many things: asked only when the text says nothing.
WEAK: MappingProxyType[str, Cause] = MappingProxyType(
    {
        "1.0": Cause.UNKNOWN_USER,
        "1.3": Cause.UNKNOWN_USER,
        "1.10": Cause.NULL_MX,
        "2.0": Cause.POLICY_RECEIVER,
        "2.1": Cause.DISABLED_USER,
        "2.4": Cause.REMOTE_FAULT,
        "3.0": Cause.REMOTE_FAULT,
        "3.1": Cause.BUSY,
        "3.2": Cause.BUSY,
        "3.3": Cause.PROTOCOL_ERROR,
        "4.0": Cause.UNREACHABLE,
        "4.1": Cause.UNREACHABLE,
        "4.2": Cause.CONNECTION_LOST,
        "4.3": Cause.DNS_FAILURE,
        "4.4": Cause.UNKNOWN_DOMAIN,
        "4.5": Cause.BUSY,
        "4.7": Cause.EXPIRED,
        "5.0": Cause.PROTOCOL_ERROR,
        "5.1": Cause.PROTOCOL_ERROR,
        "5.2": Cause.PROTOCOL_ERROR,
        "5.4": Cause.PROTOCOL_ERROR,
        "5.5": Cause.PROTOCOL_ERROR,
        "5.6": Cause.PROTOCOL_ERROR,
        "6.0": Cause.MALFORMED,
        "6.1": Cause.MALFORMED,
        "6.2": Cause.MALFORMED,
        "6.3": Cause.NEEDS_8BIT,
        "6.5": Cause.NEEDS_8BIT,
        "6.4": Cause.NEEDS_8BIT,
        "6.6": Cause.REMOTE_FAULT,
        "6.8": Cause.NEEDS_SMTPUTF8,
        "6.9": Cause.NEEDS_SMTPUTF8,
        "7.0": Cause.POLICY_RECEIVER,
        "7.1": Cause.POLICY_RECEIVER,
        "7.2": Cause.POLICY_RECEIVER,
        "7.3": Cause.POLICY_RECEIVER,
        "7.4": Cause.POLICY_RECEIVER,
        "7.5": Cause.POLICY_RECEIVER,
        "7.6": Cause.POLICY_RECEIVER,
        "7.7": Cause.DKIM_FAIL,
        "7.9": Cause.AUTH_FAILED,
        "7.14": Cause.AUTH_REQUIRED,
        "7.15": Cause.POLICY_RECEIVER,
        "7.16": Cause.POLICY_RECEIVER,
        "7.17": Cause.UNKNOWN_USER,
        "7.18": Cause.UNKNOWN_DOMAIN,
        "7.26": Cause.DMARC_FAIL,
        "7.28": Cause.RATE_LIMITED,
        "7.29": Cause.DKIM_FAIL,
        "7.30": Cause.TLS_REQUIRED,
    }
)

# The basic code alone (RFC 5321 section 4.2.3, RFC 7504 for 521 and 556).
BASIC: MappingProxyType[int, Cause] = MappingProxyType(
    {
        421: Cause.BUSY,
        422: Cause.MAILBOX_FULL,
        431: Cause.BUSY,
        450: Cause.BUSY,
        451: Cause.REMOTE_FAULT,
        452: Cause.BUSY,
        454: Cause.TLS_FAILED,
        455: Cause.PROTOCOL_ERROR,
        500: Cause.PROTOCOL_ERROR,
        501: Cause.PROTOCOL_ERROR,
        502: Cause.PROTOCOL_ERROR,
        503: Cause.PROTOCOL_ERROR,
        504: Cause.PROTOCOL_ERROR,
        521: Cause.NULL_MX,
        522: Cause.MAILBOX_FULL,
        525: Cause.DISABLED_USER,
        530: Cause.AUTH_REQUIRED,
        534: Cause.AUTH_FAILED,
        535: Cause.AUTH_FAILED,
        538: Cause.TLS_REQUIRED,
        541: Cause.POLICY_RECEIVER,
        550: Cause.POLICY_RECEIVER,
        551: Cause.UNKNOWN_USER,
        552: Cause.MAILBOX_FULL,
        553: Cause.UNKNOWN_USER,
        554: Cause.POLICY_RECEIVER,
        555: Cause.PROTOCOL_ERROR,
        556: Cause.NULL_MX,
    }
)
