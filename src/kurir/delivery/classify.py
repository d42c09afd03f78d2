"""What a refusal means: (stage, reply) -> final or not, the cause, and a hint when to come back.

The first digit decides whether a refusal is final, except where a well-known text says otherwise: a
spent quota comes as 550, a lasting block as 421.  The tables are data, tried in this order: texts that
name the thing, enhanced status codes (RFC 3463, RFC 5248), basic codes by stage, then the stage alone.
"""

import re
from dataclasses import dataclass

from kurir.model import Cause, OutcomeKind, Reply, Stage

_FINAL = OutcomeKind.FAILED
_AGAIN = OutcomeKind.DEFERRED


@dataclass(frozen=True, slots=True)
class Meaning:
    """What to do with a refusal.  `retry_after` in seconds, None for the ordinary schedule."""

    kind: OutcomeKind
    cause: Cause
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class _Text:
    """A pattern on ``code enhanced text`` in lower case; `kind` None leaves it to the first digit."""

    pattern: re.Pattern[str]
    cause: Cause
    kind: OutcomeKind | None = None
    retry_after: float | None = None


def _text(pattern: str, cause: Cause, kind: OutcomeKind | None = None, after: float | None = None) -> _Text:
    return _Text(re.compile(pattern), cause, kind, after)


_HOUR = 3600.0

# Specific before general.  Sources: the providers' published reply lists, and common servers' source text.
_TEXTS = (
    # spent quotas and speed limits, often dressed as 5xx
    _text(r"^550 5\.4\.5 |daily (?:user )?(?:sending|sending quota|smtp relay|relay) ?(?:limit|quota)?.*exceeded|exceeded your daily sending", Cause.QUOTA_SPENT, _AGAIN, _HOUR),
    _text(r"throttling failure: daily|maximum credits exceeded|max emails per hour|exceeded the max defers", Cause.QUOTA_SPENT, _AGAIN, _HOUR),
    _text(r"5\.7\.233|tenant external recipient rate|exceeded the recipient rate limit|submission quota exceeded", Cause.QUOTA_SPENT, _AGAIN, _HOUR),
    _text(r"throttling failure: maximum sending rate", Cause.RATE_LIMITED, _AGAIN, 60.0),
    _text(r"receiving mail (?:at a rate|too quickly)|5\.2\.1 .*receiv.* too quickly|frequency limited|rp:orq|dt:spm|hl:itc", Cause.RATE_LIMITED, _AGAIN, _HOUR),
    _text(r"4\.7\.28|unusual rate of|\brp-00[123]\b|\[tss?0[1-5]\]|concurrent connections limit|too many (?:concurrent )?connections|rate limit|too (?:much|many) (?:mail|messages)|sending too fast|try again more slowly|throttled", Cause.RATE_LIMITED),
    # greylisting
    _text(r"gr[ea]y-? ?list|postgrey|please (?:try|come) (?:again|back) (?:in|later).*(?:first|unknown)|temporarily deferred.*new sender", Cause.GREYLISTED),
    # recipients at once
    _text(r"too many recipients|[45]\.5\.3 |multiple destination domains", Cause.TOO_MANY_RECIPIENTS, _AGAIN, 60.0),
    # who we are
    _text(r"spamhaus|spamcop|barracuda|sorbs|blocklist|black ?list|block list|blacklist|dnsbl|\brbl\b|s31[45]0|is listed (?:at|by|in|on)|listed (?:at|in|on) [\w.-]+\.(?:org|net|com)|blocked using|\[bl\d*\]|5\.7\.(?:511|60[6-9]|6[1-4]\d)\b|banned sending ip", Cause.BLOCKLISTED),
    _text(r"ptr record|reverse (?:dns|hostname|lookup)|no rdns|cannot find your (?:reverse )?hostname|fcrdns|hostname lookup failed|does not (?:have|resolve).*(?:ptr|reverse)", Cause.NO_PTR),
    _text(r"low reputation|poor reputation|bad reputation|reputation|\bsc-00\d|\bou-00\d|\bdy-00\d|5\.7\.70[58]\b", Cause.BAD_REPUTATION),
    _text(r"dmarc|unauthenticated (?:email|mail)|5\.7\.515\b", Cause.DMARC_FAIL),
    _text(r"\bspf\b|sender policy framework|not (?:authorized|permitted|designated).*(?:sender|send).*(?:domain|behalf)", Cause.SPF_FAIL),
    _text(r"\bdkim\b", Cause.DKIM_FAIL),
    _text(r"relay(?:ing)? (?:access )?(?:denied|not permitted|not allowed|prohibited)|unable to relay|not permitted to relay|no relaying|we do not relay|relay not permitted|relaying denied|open relay|cannot relay", Cause.RELAY_DENIED),
    _text(r"authentication (?:is )?required|must (?:be )?authenticat|auth(?:entication)? first|smtp authentication is required", Cause.AUTH_REQUIRED),
    _text(r"must issue a starttls|starttls (?:is )?required|encryption (?:is )?required|tls (?:is )?required|require[sd]? tls|session encryption is required", Cause.TLS_REQUIRED),
    _text(r"sender address rejected: not owned|not owned by user|send as this sender|sendasdenied|sender (?:is )?not (?:allowed|authorized)", Cause.SENDER_NOT_YOURS),
    # loops before mailboxes: their texts name mailboxes too
    _text(r"too many hops|mail loop|loops? back to|routing loop|hop count exceeded|maximum hop|mail forwarding loop", Cause.LOOP),
    # the mailbox
    _text(r"mailbox (?:is )?(?:full|size limit)|mailbox .*(?:over|exceed).*quota|over ?quota|quota (?:is )?(?:exceeded|full)|exceeded .*(?:storage|mailbox) (?:quota|allocation|limit)|out of storage|not enough (?:disk )?(?:space|storage)|insufficient (?:disk )?(?:space|storage|system storage)|user is over the quota|disk quota|storage quota", Cause.MAILBOX_FULL),
    _text(r"(?:account|mailbox|user|recipient).{0,40}(?:disabled|suspended|inactive|deactivated|locked|expired|not active|no longer (?:active|valid|available|in use|on server))|disabled (?:account|mailbox|user)", Cause.DISABLED_USER),
    _text(r"user (?:is )?(?:unknown|not found)|unknown (?:user|recipient|local|mailbox|address|rcpt)|no such (?:user|recipient|mailbox|address|person|local|account)|(?:user|mailbox|recipient|account|address|rcpt).{0,60}(?:does(?:n't| not) exist|not exist|not found|unknown|unavailable|not available|undeliverable|invalid|unrouteable|rejected: user|not listed)|(?:invalid|bad|nonexistent|non-existent|undeliverable|unrouteable) (?:user|recipient|mailbox|address|destination mailbox)|does(?:n't| not) have an? [\w.]+ account|not our customer|no mailbox|not a valid (?:user|mailbox|recipient)|recipientnotfound|address rejected|dd .*account|not a known user|is not a valid mailbox", Cause.UNKNOWN_USER),
    _text(r"(?:domain|host).{0,40}(?:not found|does not exist|unknown|doesn't exist)|unknown domain|name or service not known|domain .*no longer", Cause.UNKNOWN_DOMAIN),
    # the message
    _text(r"virus|malware|infected|trojan|attachment.*(?:not (?:allowed|accepted|permitted)|blocked|forbidden|type)|executable|forbidden (?:file|content|attachment)|5\.7\.0 .*security issue", Cause.CONTENT_FORBIDDEN),
    _text(r"spam|unsolicited|\buce\b|bulk (?:mail|email)|junk|content (?:rejected|filter)|phish|message (?:content )?rejected due to content", Cause.CONTENT_SPAM),
    _text(r"message (?:size|is too large|too (?:large|big))|size (?:limit )?exceed|exceeds? .*(?:size|maximum)|too (?:large|big)|exceeded .*message size|max(?:imum)? (?:message )?size", Cause.TOO_LARGE),
    _text(r"rfc ?[25]?822|rfc ?5322|missing (?:header|date|from|message-id)|malformed|bare (?:lf|cr|newline)|8-?bit.*(?:not|header)|header(?:s)? (?:syntax|missing|invalid)|duplicate header|non-?compliant|lone|invalid message", Cause.MALFORMED),
    _text(r"(?:administrative|administratively) (?:prohibit|den)|prohibited by|gcdp|5\.7\.703|organi[sz]ation|polic(?:y|ies)|restricted", Cause.POLICY_RECEIVER),
    _text(r"service (?:temporarily )?(?:not available|unavailable)|temporar(?:y|ily)|try (?:again )?later|overload|too busy|system (?:load|resources)|server busy|resources temporarily", Cause.BUSY),
)  # fmt: skip

# Second and third part of an enhanced code -> cause.  The registry: RFC 5248.
_ENHANCED: dict[str, Cause] = {
    "1.1": Cause.UNKNOWN_USER, "1.2": Cause.UNKNOWN_DOMAIN, "1.3": Cause.UNKNOWN_USER, "1.4": Cause.UNKNOWN_USER,
    "1.6": Cause.UNKNOWN_USER, "1.10": Cause.NULL_MX, "1.7": Cause.SENDER_NOT_YOURS, "1.8": Cause.SENDER_NOT_YOURS,
    "2.1": Cause.DISABLED_USER, "2.2": Cause.MAILBOX_FULL, "2.3": Cause.TOO_LARGE,
    "3.1": Cause.BUSY, "3.2": Cause.BUSY, "3.4": Cause.TOO_LARGE,
    "4.1": Cause.UNREACHABLE, "4.2": Cause.UNREACHABLE, "4.3": Cause.DNS_FAILURE, "4.4": Cause.UNREACHABLE,
    "4.5": Cause.BUSY, "4.6": Cause.LOOP, "4.7": Cause.EXPIRED,
    "5.1": Cause.PROTOCOL_ERROR, "5.2": Cause.PROTOCOL_ERROR, "5.3": Cause.TOO_MANY_RECIPIENTS,
    "5.4": Cause.PROTOCOL_ERROR, "5.6": Cause.PROTOCOL_ERROR,
    "6.0": Cause.MALFORMED, "6.1": Cause.NEEDS_8BIT, "6.3": Cause.NEEDS_8BIT, "6.7": Cause.NEEDS_SMTPUTF8,
    "6.9": Cause.NEEDS_SMTPUTF8,
    "7.8": Cause.AUTH_FAILED, "7.9": Cause.AUTH_FAILED, "7.10": Cause.TLS_REQUIRED, "7.11": Cause.TLS_REQUIRED,
    "7.13": Cause.DISABLED_USER, "7.17": Cause.UNKNOWN_USER, "7.18": Cause.UNKNOWN_DOMAIN,
    "7.20": Cause.DKIM_FAIL, "7.21": Cause.DKIM_FAIL, "7.22": Cause.DKIM_FAIL,
    "7.23": Cause.SPF_FAIL, "7.24": Cause.SPF_FAIL, "7.25": Cause.NO_PTR, "7.26": Cause.DMARC_FAIL,
    "7.28": Cause.RATE_LIMITED, "7.30": Cause.TLS_REQUIRED,
}  # fmt: skip

# (code, stage or None) -> cause, where neither text nor enhanced code says more.
_CODES: dict[tuple[int, Stage | None], Cause] = {
    (421, None): Cause.BUSY, (432, None): Cause.RATE_LIMITED, (450, Stage.RCPT): Cause.GREYLISTED,
    (450, None): Cause.BUSY, (451, None): Cause.BUSY, (452, Stage.RCPT): Cause.BUSY, (452, None): Cause.BUSY,
    (454, Stage.TLS): Cause.TLS_FAILED, (454, None): Cause.BUSY, (455, None): Cause.PROTOCOL_ERROR,
    (500, None): Cause.PROTOCOL_ERROR, (501, None): Cause.PROTOCOL_ERROR, (502, None): Cause.PROTOCOL_ERROR,
    (503, None): Cause.PROTOCOL_ERROR, (504, None): Cause.PROTOCOL_ERROR, (521, None): Cause.NULL_MX,
    (523, None): Cause.TOO_LARGE, (530, None): Cause.AUTH_REQUIRED, (534, None): Cause.AUTH_FAILED,
    (535, None): Cause.AUTH_FAILED, (538, None): Cause.TLS_REQUIRED, (550, Stage.RCPT): Cause.UNKNOWN_USER,
    (551, Stage.RCPT): Cause.UNKNOWN_USER, (553, Stage.RCPT): Cause.UNKNOWN_USER,
    (552, Stage.RCPT): Cause.MAILBOX_FULL, (552, None): Cause.TOO_LARGE, (555, None): Cause.PROTOCOL_ERROR,
    (556, None): Cause.NULL_MX,
}  # fmt: skip

# Errors in the session's set-up are about this server or our login, not about a recipient: never final.
_SESSION_STAGES = frozenset({Stage.CONNECT, Stage.BANNER, Stage.HELO, Stage.TLS, Stage.AUTH})
_SESSION_CAUSES = {Stage.TLS: Cause.TLS_FAILED, Stage.AUTH: Cause.AUTH_FAILED}

_RETRY_AFTER: dict[Cause, float] = {Cause.GREYLISTED: 300.0, Cause.TOO_MANY_RECIPIENTS: 60.0}


def classify(stage: Stage, reply: Reply) -> Meaning:
    """Return what a reply that is not 2xx or 3xx means at `stage`.  Any code is legal: its first digit acts."""
    kind = _FINAL if reply.klass == 5 else _AGAIN
    after: float | None = None
    cause = _by_enhanced(reply.enhanced)
    if cause is None or cause in _VAGUE:
        said = _by_text(reply)
        if said is not None:
            cause, after = said.cause, said.retry_after
            kind = said.kind or kind
    if cause is None:
        cause = (
            _SESSION_CAUSES.get(stage) or _CODES.get((reply.code, stage)) or _CODES.get((reply.code, None))
        )
    if cause is None:
        cause = Cause.UNKNOWN if reply.klass in (4, 5) else Cause.PROTOCOL_ERROR
    if cause is Cause.TOO_MANY_RECIPIENTS:
        kind = _AGAIN  # RFC 5321 section 4.5.3.1.10: 552 here means 452
    if stage in _SESSION_STAGES:
        kind = _AGAIN
    if kind is _AGAIN and after is None:
        after = _RETRY_AFTER.get(cause)
    return Meaning(kind, cause, after)


# Enhanced codes that many servers use for anything: a text that says more goes first.
_VAGUE = frozenset(
    {
        Cause.BUSY,
        Cause.PROTOCOL_ERROR,
        Cause.DISABLED_USER,
        Cause.UNREACHABLE,
        Cause.MALFORMED,
        Cause.DMARC_FAIL,
    }
    | {Cause.SENDER_NOT_YOURS, Cause.EXPIRED, Cause.RATE_LIMITED, Cause.TOO_LARGE, Cause.UNKNOWN_USER}
    | {Cause.UNKNOWN_DOMAIN, Cause.TLS_REQUIRED}
)


def _by_enhanced(enhanced: str | None) -> Cause | None:
    return None if enhanced is None else _ENHANCED.get(enhanced.partition(".")[2])


def _by_text(reply: Reply) -> _Text | None:
    text = f"{reply.code} {reply.enhanced or ''} {reply.text}"[:2000].lower()
    for entry in _TEXTS:
        if entry.pattern.search(text):
            return entry
    return None
