"""Which side a cause is on: the table behind "on whose side" (one row for each `Cause`)."""

from enum import Enum
from types import MappingProxyType

from kurir.model import Cause


class Side(str, Enum):
    """Where a cause lies; each has words under ``side.<value>`` in the catalogue."""

    RECIPIENT = "recipient"
    THEIR_SERVER = "their_server"
    NETWORK = "network"
    OUR_SERVER = "our_server"
    SENDER = "sender"
    PERSON = "person"
    NOBODY = "nobody"


_SIDES = MappingProxyType(
    {
        Side.NOBODY: (Cause.OK, Cause.SANDBOX),
        Side.RECIPIENT: (Cause.MAILBOX_FULL, Cause.DISABLED_USER, Cause.LOOP),
        Side.SENDER: (
            Cause.UNKNOWN_USER,
            Cause.UNKNOWN_DOMAIN,
            Cause.SUPPRESSED,
            Cause.TOO_LARGE,
            Cause.QUOTA_SPENT,
            Cause.TOO_MANY_RECIPIENTS,
            Cause.AUTH_FAILED,
            Cause.LOGIN_BRAKED,
            Cause.AUTH_REQUIRED,
            Cause.SENDER_NOT_YOURS,
            Cause.SENDER_REJECTED,
            Cause.SENDER_UNPROVEN,
            Cause.SENDER_NOT_LISTED,
            Cause.AUTHOR_UNCLEAR,
            Cause.CONTENT_SPAM,
            Cause.CONTENT_FORBIDDEN,
            Cause.MALFORMED,
            Cause.NO_BACKSCATTER,
        ),
        Side.NETWORK: (
            Cause.DNS_FAILURE,
            Cause.UNREACHABLE,
            Cause.CONNECTION_LOST,
            Cause.TIMEOUT,
            Cause.LOST_REPLY,
            Cause.PORT_BLOCKED,
        ),
        Side.THEIR_SERVER: (
            Cause.NULL_MX,
            Cause.PROTOCOL_ERROR,
            Cause.TLS_FAILED,
            Cause.TLS_REQUIRED,
            Cause.TLS_UNTRUSTED,
            Cause.TLS_LOST,
            Cause.GREYLISTED,
            Cause.RATE_LIMITED,
            Cause.BUSY,
            Cause.REMOTE_FAULT,
            Cause.RELAY_DENIED,
            Cause.NEEDS_SMTPUTF8,
            Cause.NEEDS_8BIT,
            Cause.POLICY_RECEIVER,
            Cause.EXPIRED,
            Cause.UNKNOWN,
        ),
        Side.OUR_SERVER: (
            Cause.BLOCKLISTED,
            Cause.BAD_REPUTATION,
            Cause.SPF_FAIL,
            Cause.DKIM_FAIL,
            Cause.DMARC_FAIL,
            Cause.NO_PTR,
            Cause.CONFIGURATION,
            Cause.DISK_FULL,
            Cause.STORAGE_FAILED,
            Cause.BODY_DAMAGED,
            Cause.SHUTDOWN,
        ),
        Side.PERSON: (Cause.HELD, Cause.DELETED),
    }
)
_SIDE_OF = MappingProxyType({cause: side for side, causes in _SIDES.items() for cause in causes})


def side_of(cause: Cause) -> Side:
    """Return whose side `cause` is on."""
    return _SIDE_OF[cause]
