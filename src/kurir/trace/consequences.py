"""What follows from a cause: what helps, what else shares the trouble, whether another road may do.

Pure tables.  Together with `side_of` (whose fault it is) they are the right answer to a refusal: retry, slow down or
pause *what*, go another way, give up, or mend something.
"""

import re
from enum import Enum
from types import MappingProxyType

from kurir.model import Cause


class Action(str, Enum):
    """What helps: the closed word list of `kurir why`; each has a sentence under ``action.<value>``."""

    NONE = "none"
    RETRY = "retry"
    WAIT = "wait"
    SLOW_DOWN = "slow_down"
    FIX_ADDRESS = "fix_address"
    CONTACT_RECIPIENT = "contact_recipient"
    OTHER_ROAD = "other_road"
    FIX_DNS = "fix_dns"
    FIX_LOGIN = "fix_login"
    FIX_TLS = "fix_tls"
    SPLIT = "split"
    SHRINK = "shrink"
    CHANGE_CONTENT = "change_content"
    FIX_FORMAT = "fix_format"
    DELIST = "delist"
    FIX_SENDER = "fix_sender"
    FIX_FORWARDING = "fix_forwarding"
    ASK_ADMIN = "ask_admin"
    ASK_OWN_ADMIN = "ask_own_admin"


class Reach(str, Enum):
    """What shares the trouble: the key to slow down, to pause or to leave alone."""

    NOTHING = "nothing"  # there is none, or nobody can say
    RECIPIENT = "recipient"  # mail to this address
    MESSAGE = "message"  # this message, wherever it goes
    SENDER = "sender"  # mail of this sender or his domain
    LOGIN = "login"  # what goes by this account at a provider
    SOURCE = "source"  # what goes from this address of ours to this site
    SITE = "site"  # what goes to these servers
    SERVER = "server"  # everything: it is ours to mend


_A = Action
# Per cause: the action when it is final, and when it is not.
_ACTIONS: MappingProxyType[Cause, tuple[Action, Action]] = MappingProxyType(
    {
        Cause.OK: (_A.NONE, _A.NONE),
        Cause.MAILBOX_FULL: (_A.CONTACT_RECIPIENT, _A.RETRY),
        Cause.UNKNOWN_USER: (_A.FIX_ADDRESS, _A.FIX_ADDRESS),
        Cause.DISABLED_USER: (_A.CONTACT_RECIPIENT, _A.RETRY),
        Cause.UNKNOWN_DOMAIN: (_A.FIX_ADDRESS, _A.FIX_ADDRESS),
        Cause.NULL_MX: (_A.FIX_ADDRESS, _A.FIX_ADDRESS),
        Cause.SUPPRESSED: (_A.FIX_ADDRESS, _A.FIX_ADDRESS),
        Cause.DNS_FAILURE: (_A.ASK_ADMIN, _A.RETRY),
        Cause.UNREACHABLE: (_A.ASK_ADMIN, _A.RETRY),
        Cause.CONNECTION_LOST: (_A.ASK_ADMIN, _A.RETRY),
        Cause.TIMEOUT: (_A.ASK_ADMIN, _A.RETRY),
        Cause.LOST_REPLY: (_A.CONTACT_RECIPIENT, _A.RETRY),
        Cause.PROTOCOL_ERROR: (_A.ASK_ADMIN, _A.RETRY),
        Cause.PORT_BLOCKED: (_A.OTHER_ROAD, _A.OTHER_ROAD),
        Cause.TLS_FAILED: (_A.FIX_TLS, _A.RETRY),
        Cause.TLS_REQUIRED: (_A.FIX_TLS, _A.FIX_TLS),
        Cause.TLS_UNTRUSTED: (_A.FIX_TLS, _A.FIX_TLS),
        Cause.TLS_LOST: (_A.FIX_TLS, _A.FIX_TLS),
        Cause.LOOP: (_A.FIX_FORWARDING, _A.FIX_FORWARDING),
        Cause.GREYLISTED: (_A.RETRY, _A.RETRY),
        Cause.RATE_LIMITED: (_A.SLOW_DOWN, _A.SLOW_DOWN),
        Cause.QUOTA_SPENT: (_A.WAIT, _A.WAIT),
        Cause.TOO_MANY_RECIPIENTS: (_A.SPLIT, _A.SPLIT),
        Cause.TOO_LARGE: (_A.SHRINK, _A.SHRINK),
        Cause.BUSY: (_A.ASK_ADMIN, _A.RETRY),
        Cause.REMOTE_FAULT: (_A.ASK_ADMIN, _A.RETRY),
        Cause.BLOCKLISTED: (_A.DELIST, _A.DELIST),
        Cause.BAD_REPUTATION: (_A.OTHER_ROAD, _A.SLOW_DOWN),
        Cause.SPF_FAIL: (_A.FIX_DNS, _A.FIX_DNS),
        Cause.DKIM_FAIL: (_A.FIX_DNS, _A.FIX_DNS),
        Cause.DMARC_FAIL: (_A.FIX_DNS, _A.FIX_DNS),
        Cause.NO_PTR: (_A.FIX_DNS, _A.FIX_DNS),
        Cause.RELAY_DENIED: (_A.ASK_ADMIN, _A.ASK_ADMIN),
        Cause.AUTH_FAILED: (_A.FIX_LOGIN, _A.FIX_LOGIN),
        Cause.LOGIN_BRAKED: (_A.FIX_LOGIN, _A.FIX_LOGIN),
        Cause.AUTH_REQUIRED: (_A.FIX_LOGIN, _A.FIX_LOGIN),
        Cause.SENDER_NOT_YOURS: (_A.FIX_SENDER, _A.FIX_SENDER),
        Cause.SENDER_REJECTED: (_A.FIX_SENDER, _A.FIX_SENDER),
        Cause.SENDER_UNPROVEN: (_A.FIX_DNS, _A.FIX_DNS),
        Cause.SENDER_NOT_LISTED: (_A.FIX_DNS, _A.FIX_DNS),
        Cause.AUTHOR_UNCLEAR: (_A.FIX_FORMAT, _A.FIX_FORMAT),
        Cause.CONTENT_SPAM: (_A.CHANGE_CONTENT, _A.CHANGE_CONTENT),
        Cause.CONTENT_FORBIDDEN: (_A.CHANGE_CONTENT, _A.CHANGE_CONTENT),
        Cause.MALFORMED: (_A.FIX_FORMAT, _A.FIX_FORMAT),
        Cause.NEEDS_SMTPUTF8: (_A.FIX_ADDRESS, _A.FIX_ADDRESS),
        Cause.NEEDS_8BIT: (_A.CHANGE_CONTENT, _A.CHANGE_CONTENT),
        Cause.POLICY_RECEIVER: (_A.CONTACT_RECIPIENT, _A.RETRY),
        Cause.CONFIGURATION: (_A.ASK_OWN_ADMIN, _A.ASK_OWN_ADMIN),
        Cause.DISK_FULL: (_A.ASK_OWN_ADMIN, _A.ASK_OWN_ADMIN),
        Cause.STORAGE_FAILED: (_A.ASK_OWN_ADMIN, _A.ASK_OWN_ADMIN),
        Cause.HELD: (_A.ASK_OWN_ADMIN, _A.ASK_OWN_ADMIN),
        Cause.EXPIRED: (_A.WAIT, _A.RETRY),
        Cause.DELETED: (_A.ASK_OWN_ADMIN, _A.ASK_OWN_ADMIN),
        Cause.SANDBOX: (_A.NONE, _A.NONE),
        Cause.BODY_DAMAGED: (_A.ASK_OWN_ADMIN, _A.ASK_OWN_ADMIN),
        Cause.NO_BACKSCATTER: (_A.NONE, _A.NONE),
        Cause.SHUTDOWN: (_A.RETRY, _A.RETRY),
        Cause.UNKNOWN: (_A.ASK_ADMIN, _A.RETRY),
    }
)

_REACH: MappingProxyType[Cause, Reach] = MappingProxyType(
    {
        cause: reach
        for reach, causes in {
            Reach.NOTHING: (Cause.OK, Cause.EXPIRED, Cause.DELETED, Cause.SANDBOX, Cause.NO_BACKSCATTER, Cause.UNKNOWN),
            Reach.RECIPIENT: (
                Cause.MAILBOX_FULL, Cause.SUPPRESSED, Cause.UNKNOWN_USER, Cause.DISABLED_USER, Cause.LOOP, Cause.GREYLISTED, Cause.POLICY_RECEIVER,
            ),
            Reach.MESSAGE: (
                Cause.TOO_MANY_RECIPIENTS, Cause.TOO_LARGE, Cause.CONTENT_SPAM, Cause.CONTENT_FORBIDDEN, Cause.MALFORMED,
                Cause.NEEDS_SMTPUTF8, Cause.NEEDS_8BIT, Cause.AUTHOR_UNCLEAR, Cause.BODY_DAMAGED, Cause.LOST_REPLY, Cause.HELD,
            ),
            Reach.SENDER: (
                Cause.SPF_FAIL, Cause.DKIM_FAIL, Cause.DMARC_FAIL, Cause.SENDER_NOT_YOURS, Cause.SENDER_REJECTED,
                Cause.SENDER_UNPROVEN, Cause.SENDER_NOT_LISTED,
            ),
            Reach.LOGIN: (
                Cause.QUOTA_SPENT, Cause.AUTH_FAILED, Cause.AUTH_REQUIRED, Cause.LOGIN_BRAKED, Cause.RELAY_DENIED,
            ),
            Reach.SOURCE: (Cause.RATE_LIMITED, Cause.BLOCKLISTED, Cause.BAD_REPUTATION, Cause.NO_PTR),
            Reach.SITE: (
                Cause.UNKNOWN_DOMAIN, Cause.NULL_MX, Cause.DNS_FAILURE, Cause.UNREACHABLE, Cause.CONNECTION_LOST, Cause.TIMEOUT,
                Cause.PROTOCOL_ERROR, Cause.TLS_FAILED, Cause.TLS_REQUIRED, Cause.TLS_UNTRUSTED, Cause.TLS_LOST, Cause.BUSY,
                Cause.REMOTE_FAULT,
            ),
            Reach.SERVER: (
                Cause.PORT_BLOCKED, Cause.CONFIGURATION, Cause.DISK_FULL, Cause.STORAGE_FAILED, Cause.SHUTDOWN,
            ),
        }.items()
        for cause in causes
    }
)  # fmt: skip
# Refusals of the way a mail came, not of the mail: a service that may send for us can do better.
_OTHER_ROAD = frozenset(
    {
        Cause.PORT_BLOCKED, Cause.QUOTA_SPENT, Cause.RATE_LIMITED, Cause.BLOCKLISTED, Cause.BAD_REPUTATION, Cause.NO_PTR,
        Cause.AUTH_FAILED, Cause.LOGIN_BRAKED, Cause.RELAY_DENIED, Cause.TOO_LARGE, Cause.UNREACHABLE, Cause.TIMEOUT,
        Cause.CONNECTION_LOST,
    }
)  # fmt: skip
# Limits of one mailbox: the others there are not meant.
_OF_THE_RECIPIENT = re.compile(r"(?:user|recipient|mailbox|account) .{0,60}(?:is receiving|receives) ")


def action_for(cause: Cause, *, final: bool) -> Action:
    """Return what helps against `cause`."""
    return _ACTIONS[cause][0 if final else 1]


def reach_of(cause: Cause, words: str = "") -> Reach:
    """Return what shares the trouble; `words` (lower case) are those that were said, where any were."""
    if cause is Cause.RATE_LIMITED and _OF_THE_RECIPIENT.search(words):
        return Reach.RECIPIENT
    return _REACH[cause]


def other_road_helps(cause: Cause) -> bool:
    """Whether another way out may do; that a road suits the mail is decided where the roads are known."""
    return cause in _OTHER_ROAD
