"""What a peer's reply means: one pure, table-driven decision shared by delivery, `why` and the reports.

The class of a reply (its first digit) alone loses mail: spent quotas come as 550 and lasting blocks as
421.  So the tables of `reply_labels`, `reply_providers`, `reply_rules` and `texts` are asked in order of trust: a
provider's own label, its words, firm enhanced code, text, weak enhanced code, basic code; the class decides what is left.
"""

import re
from types import MappingProxyType

import msgspec

from kurir.model import Cause, Stage

from .consequences import Action, Reach, action_for, other_road_helps, reach_of
from .reply_labels import labelled
from .reply_providers import PROVIDERS
from .reply_rules import BASIC, FIRM, FIRM_OVERRULED_BY, WEAK
from .texts import TEXTS, TextRule

MAX_TEXT = 4096  # octets of a reply that are looked at; RFC 5321 section 4.5.3.1.5 allows 512 per line


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a reply means.

    `final` says that trying again cannot help; `retry_after` is a hint in seconds, or None for the ordinary
    schedule (always None when final).  `reach` names what the next try shares the trouble with, and so what is to
    slow down or to pause; `other_road` says that another way out may do.  `lasting` marks a block that waiting alone
    does not lift, though the code says "try later".  `by` names the table that decided: ``provider``, ``enhanced``,
    ``text``, ``code`` or ``class``; `sure` is False where only words or codes decided that are said of everything.
    """

    cause: Cause
    final: bool
    action: Action
    reach: Reach = Reach.NOTHING
    other_road: bool = False
    lasting: bool = False
    retry_after: float | None = None
    by: str = "class"
    sure: bool = True


# Causes that end a try but never a message, whatever the class of the code.
_NEVER_FINAL = frozenset({Cause.GREYLISTED, Cause.RATE_LIMITED, Cause.QUOTA_SPENT, Cause.TOO_MANY_RECIPIENTS})
# Blocks of us that somebody has to lift.
_BLOCKS = frozenset({Cause.BLOCKLISTED, Cause.BAD_REPUTATION})
# Causes that are final where no code says anything at all.
_FINAL_WITHOUT_CODE = frozenset(
    {
        Cause.UNKNOWN_USER, Cause.DISABLED_USER, Cause.UNKNOWN_DOMAIN, Cause.NULL_MX, Cause.LOOP, Cause.TOO_LARGE,
        Cause.RELAY_DENIED, Cause.SENDER_REJECTED, Cause.CONTENT_SPAM, Cause.CONTENT_FORBIDDEN, Cause.MALFORMED,
        Cause.POLICY_RECEIVER, Cause.BLOCKLISTED, Cause.SPF_FAIL, Cause.DKIM_FAIL, Cause.DMARC_FAIL, Cause.EXPIRED,
    }
)  # fmt: skip
_RETRY_AFTER: MappingProxyType[Cause, float] = MappingProxyType(
    {
        Cause.GREYLISTED: 300.0,
        Cause.RATE_LIMITED: 1800.0,
        Cause.QUOTA_SPENT: 3600.0,
        Cause.TOO_MANY_RECIPIENTS: 60.0,
    }
)
# Where a bare 550 or 554 was said tells what it was about (RFC 5321 section 4.3.2).
_BY_STAGE: MappingProxyType[Stage, Cause] = MappingProxyType(
    {
        Stage.CONNECT: Cause.BLOCKLISTED,
        Stage.BANNER: Cause.BLOCKLISTED,
        Stage.HELO: Cause.BLOCKLISTED,
        Stage.TLS: Cause.TLS_FAILED,
        Stage.AUTH: Cause.AUTH_FAILED,
        Stage.MAIL: Cause.SENDER_REJECTED,
        Stage.RCPT: Cause.POLICY_RECEIVER,
        Stage.DATA: Cause.POLICY_RECEIVER,
        Stage.BODY: Cause.POLICY_RECEIVER,
    }
)

_BLANKS = re.compile(r"\s+")
# "Please try again in 5 minutes", "retry after 300 seconds": a server that says when.
_WHEN = re.compile(r"(?:in|after|for|within) (\d{1,5}) ?(second|sec|minute|min|hour|s\b|m\b|h\b)")
_SECONDS = MappingProxyType({"s": 1, "m": 60, "h": 3600})


def classify_reply(
    code: int, enhanced: str | None, text: str, stage: Stage | None = None, *, host: str = ""
) -> Verdict:
    """Say what a reply means.

    `code` is the basic code, or 0 where none is known; `enhanced` as ``"5.1.1"`` or None; `text` the words
    of all lines; `stage` the command it answered, `host` the peer, where known.  Never raises; takes time
    linear in the first `MAX_TEXT` characters.
    """
    words = _BLANKS.sub(" ", text[:MAX_TEXT]).lower()
    klass = code // 100 or (int(enhanced[0]) if enhanced and enhanced[0] in "245" else 0)
    if klass in (2, 3):
        return Verdict(cause=Cause.OK, final=True, action=Action.NONE, by="class")
    detail = enhanced[2:] if enhanced else ""
    cause, by, sure, final, retry_after = _decide(code, detail, words, stage, host.lower())
    if final is None:
        if cause in _NEVER_FINAL:
            final = False
        elif klass:
            final = klass == 5
        else:
            final = cause in _FINAL_WITHOUT_CODE
    if not final and retry_after is None:
        retry_after = _said_when(words) or _RETRY_AFTER.get(cause)
    return Verdict(
        cause=cause,
        final=final,
        action=action_for(cause, final=final),
        reach=reach_of(cause, words),
        other_road=other_road_helps(cause),
        lasting=cause in _BLOCKS and sure and (final or cause is Cause.BLOCKLISTED),
        retry_after=None if final else retry_after,
        by=by,
        sure=sure,
    )


def never_final(cause: Cause) -> bool:
    """Whether `cause` ends a try but never a message, whatever the class of the code (a spent quota as 550)."""
    return cause in _NEVER_FINAL


def _decide(
    code: int, detail: str, words: str, stage: Stage | None, host: str
) -> tuple[Cause, str, bool, bool | None, float | None]:
    label = labelled(words)
    if label:
        return label, "provider", True, None, None
    for rule in PROVIDERS:
        if (
            (not rule.codes or code in rule.codes)
            and (rule.enhanced is None or rule.enhanced.match(detail))
            and stage not in rule.unless
            and rule.text.search(words)
            and (rule.host is None or rule.host.search(host) or rule.host.search(words))
        ):
            return rule.cause, "provider", True, rule.final, rule.retry_after
    said = _text(words)
    firm = FIRM.get(detail)
    if firm and not (said and said.cause in FIRM_OVERRULED_BY):
        return firm, "enhanced", True, None, None
    weak = WEAK.get(detail)
    passing = (
        weak is Cause.UNKNOWN_USER and said is not None and said.cause is Cause.BUSY and code // 100 == 4
    )
    if said and not (said.vague and weak and weak not in _VAGUE and not passing):
        if said.vague and said.cause in _REFUSALS and stage is not None and stage in _BY_STAGE:
            return _BY_STAGE[stage], "text", False, None, None
        if said.cause is Cause.SENDER_REJECTED and stage in _BEFORE_MAIL:
            return Cause.BLOCKLISTED, "text", not said.vague, None, None
        of_sender = (stage, said.cause) in _OF_THE_SENDER and not _NAMES_RECIPIENT.search(words)
        return Cause.SENDER_REJECTED if of_sender else said.cause, "text", not said.vague, None, None
    if weak:
        return weak, "enhanced", weak not in _VAGUE, None, None
    if stage is not None and stage in _BY_STAGE and code in (550, 554):
        return _BY_STAGE[stage], "code", False, None, None
    return BASIC.get(code, Cause.UNKNOWN), "code" if code in BASIC else "class", False, None, None


# Bare refusals: the command that was refused says more than they do.
_REFUSALS = frozenset({Cause.POLICY_RECEIVER, Cause.BLOCKLISTED})
# No sender is named yet: whoever may not send is the server.
_BEFORE_MAIL = frozenset({Stage.CONNECT, Stage.BANNER, Stage.HELO})
# Where no recipient was named yet, or all were taken already, an unknown name is the sender's.
_OF_THE_SENDER = frozenset(
    {
        (Stage.MAIL, Cause.UNKNOWN_USER),
        (Stage.MAIL, Cause.UNKNOWN_DOMAIN),
        (Stage.DATA, Cause.UNKNOWN_DOMAIN),
        (Stage.BODY, Cause.UNKNOWN_DOMAIN),
    }
)
_NAMES_RECIPIENT = re.compile(r"recipient|rcpt|mail ?box|user unknown")
# What weak codes say of everything.
_VAGUE = frozenset(
    {Cause.POLICY_RECEIVER, Cause.BUSY, Cause.REMOTE_FAULT, Cause.EXPIRED, Cause.PROTOCOL_ERROR}
)

# "Recipient address rejected: greylisted": what stands behind the colon is the reason, if it says anything.
_REJECTED_BECAUSE = re.compile(
    r"(recipient|sender|client host|helo command|data command)\S{0,80} (?:address )?rejected: ?(.{4,})"
)
_SAYS_LESS = frozenset({Cause.POLICY_RECEIVER, Cause.UNKNOWN_DOMAIN})
# Behind "sender address rejected" or "helo command rejected" an unknown name is not the recipient's.
_SAYS_LESS_OF_US = _SAYS_LESS | {Cause.UNKNOWN_USER, Cause.DNS_FAILURE, Cause.CONTENT_FORBIDDEN}


def _text(words: str) -> TextRule | None:
    m = _REJECTED_BECAUSE.search(words) if "rejected" in words else None
    if m:
        inner = next((rule for rule in TEXTS if rule.pattern.search(m[2])), None)
        if inner is not None and inner.cause not in (_SAYS_LESS if m[1] == "recipient" else _SAYS_LESS_OF_US):
            return inner
    return next((rule for rule in TEXTS if rule.pattern.search(words)), None)


def _said_when(words: str) -> float | None:
    m = _WHEN.search(words)
    if not m:
        return None
    return min(float(int(m[1]) * _SECONDS[m[2][0]]), 86400.0) or None
