"""The one rule of who may send what to whom through this server.  Everything that is not allowed is denied.

It looks at values that were parsed once and resolved once, so a spelling cannot mean one thing to this
rule and another to the next hop: source routes are dropped by the parser (RFC 5321 appendix C), quoted,
percent and bang local parts are plain names, domains are compared as lower-case A-labels.
"""

from dataclasses import dataclass
from enum import Enum

from kurir.identity import DomainKind

from .settings import Role


class Grant(str, Enum):
    """Why a recipient is allowed, or that it is not."""

    HERE = "here"  # a domain of ours
    RELAYED = "relayed"  # we are its MX
    ACCOUNT = "account"  # somebody who logged in
    TRUSTED = "trusted"  # a client in a trusted network
    LOCAL = "local"  # this machine, by file permissions
    DENIED = "denied"
    LOGIN_FIRST = "login_first"  # a submission door without a login

    @property
    def allowed(self) -> bool:
        """Whether mail may go there."""
        return self not in {Grant.DENIED, Grant.LOGIN_FIRST}

    @property
    def insider(self) -> bool:
        """Whether the client is one of ours: it may send anywhere and gets reports."""
        return self in {Grant.ACCOUNT, Grant.TRUSTED, Grant.LOCAL}


@dataclass(frozen=True, slots=True)
class Client:
    """What is known of who asks: the door, the account that is logged in, and whether its network is trusted."""

    role: Role
    account: str | None
    trusted: bool


def standing(client: Client) -> Grant:
    """What the client may do whatever the recipient is: an insider grant, or DENIED, or LOGIN_FIRST."""
    if client.role is Role.LMTP:
        return Grant.DENIED  # LMTP delivers here and nowhere else (RFC 2033 section 1), whoever asks
    if client.account is not None:
        return Grant.ACCOUNT
    if client.role is Role.LOCAL:
        return Grant.LOCAL
    if client.role is Role.SUBMISSION:
        return Grant.LOGIN_FIRST  # 465 and 587 always ask, trusted network or not (RFC 6409 section 4.3)
    return Grant.TRUSTED if client.trusted else Grant.DENIED


_OURS = {DomainKind.LOCAL: Grant.HERE, DomainKind.RELAYED: Grant.RELAYED}


def may_relay(client: Client, kind: DomainKind) -> Grant:
    """Decide whether this client may send to a recipient whose domain is of this kind."""
    grant = standing(client)
    if grant.insider or grant is Grant.LOGIN_FIRST:
        return grant
    if client.role is Role.LMTP and kind is DomainKind.RELAYED:
        return Grant.DENIED
    return _OURS.get(kind, Grant.DENIED)
