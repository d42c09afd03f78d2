"""Gathers what was said in a returned message, best evidence first.

Best is the machine-readable report (RFC 3464), then replies quoted near the recipient's name, then the
lines around it, then the rest.  The returned original is never read.  Every loop is over a bounded number
of lines.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import islice

import msgspec

from kurir.model import Stage

from .bounce_json import replies_in
from .bounce_kind import Kind
from .mailparts import Fields, Mail, decoded, first, groups


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was said about one recipient."""

    text: str
    code: int = 0
    enhanced: str | None = None
    host: str = ""
    stage: Stage | None = None
    local: bool = False  # a local delivery program speaks (x-unix): its trouble, not the network's


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What was said of one recipient, best evidence first; `status` is the report's own Status field."""

    recipient: str
    kind: Kind
    status: str | None
    evidence: tuple[Evidence, ...]


# A reply inside free text: a code, perhaps an enhanced code, words.
_CODE = re.compile(
    r"(?:(?<![\w.#/=@:-])|(?<=reply:)|(?<=said:))#?([245]\d\d)[ -](?:#?([245]\.\d{1,3}\.\d{1,3})\b)?(?=[ :\w<'\"#(\[;-])"
)
_ENHANCED = re.compile(r"(?<![\w.])#?([245]\.\d{1,3}\.\d{1,3})(?!\.?\w|\s*\[)")
_LEADING = re.compile(
    r"\s{0,9}#?([2-5]\d\d)(?:[ :-]|$)\s{0,9}#?(?:([245]\.\d{1,3}\.\d{1,3})\b)?[ :-]{0,3}(.*)", re.DOTALL
)
# "<mx.example.org #5.5.0 smtp;550 no such user>": Exchange gives its own enhanced code before the reply.
_SMTP_BEHIND = re.compile(r"#([245]\.\d{1,3}\.\d{1,3}) smtp; ?$", re.IGNORECASE)
# AsyncOS names what the enhanced code of RFC 3463 stands for, then quotes the reply: only that tells the cause.
_REGISTRY_WORDS = re.compile(r"\s*[45]\.\d\.\d - [A-Za-z ]{5,60}\W{0,3}(?=[45]\d\d\b)")
_REPEATED = re.compile(r"(?:^| )[245]\d\d[ -](?:[245]\.\d{1,3}\.\d{1,3})? ?(?=[A-Za-z<\"(\[])")
_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9][A-Za-z0-9.-]{1,253}[A-Za-z0-9]")
_HOST = re.compile(
    r"(?:host|from|by|server|relay=|talking to|mx) ?\"?([A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8})\.?",
    re.IGNORECASE,
)
# How Postfix, Exim, sendmail, DragonFly, MDaemon, hMailServer and their like name the command that was refused.
_SAID_TO = r"(?:reply to|after|did not like our|during|while sending|\bto(?= rcpt| data)|>>>|-->|\bsent:) ?(?:the )?(?:pipelined )?(?:smtp )?"
_STAGES: tuple[tuple[re.Pattern[str], Stage], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), stage)
    for pattern, stage in (
        (
            r"end of data|after (?:end of data|pipelined data|text|i sent the message)|text command|\(state 1[78]\)",
            Stage.BODY,
        ),
        (rf"{_SAID_TO}data\b|failed on data command", Stage.DATA),
        (rf"{_SAID_TO}rcpt|not like recipient|\[rcpt_to\]|\(state 14\)|addressfailedexception", Stage.RCPT),
        (
            rf"{_SAID_TO}mail\b(?! server)|sender was rejected|\[mail_from\]|\(state 13\)|senderfailedexception",
            Stage.MAIL,
        ),
        (r">>> ?starttls|starttls command", Stage.TLS),
        (r"(?:in reply to|after|>>>) ?(?:helo|ehlo)|my name was rejected", Stage.HELO),
        (r"refused to talk to me|initial connection|greeting", Stage.BANNER),
    )
)

# The part that is the returned original, or its header (RFC 6522, RFC 6533, RFC 2046).
ORIGINALS = frozenset(
    {"message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers", "message/partial"}
)
# Where the returned original begins in free text.
_ORIGINAL = re.compile(
    r"(?:[->*\s_=.]{0,60}(?:original message|unsent message|message headers? follow|returned (?:message|mail)|(?:below|this|here) (?:this line )?is a copy|message header|"
    r"your (?:original )?message (?:follows|reads|is enclosed)|bounced e-?mail|original mail|copy of (?:the|your)|(?:a copy of )?the (?:original )?message (?:follows|headers)|"
    r"undelivered message|the body of|(?:the )?header of|message contains|reporting-mta:|rejected message|beginning of)|\s{0,3}>?(?:received|return-path|x-original-to|delivered-to|dkim-signature|mime-version): ?\S?)",
    re.IGNORECASE,
)
# Boilerplate that says nothing about the cause.
_BOILERPLATE = re.compile(
    r"created automatically|could not be delivered to|permanent (?:error|failure)|fatal errors|transcript of session|please do not reply|following address(?!(?:es)? (?:is|are|was|were|do|does) )|for further assistance|"
    r"delete your own text|technical details|permanently failed|delivery to the following|was undeliverable|postmaster|hi\. this is|i'm afraid|sorry it didn't|mime|"
    r"notification d|mail delivery (?:failed|status|system)|delivery status notification|i'm sorry to have to inform|attached returned message|problem report|include this|"
    r"this is (?:the|an|a) |delivery has failed|reading text|contact (?:your|the) |^\W{0,3}(?:in|out): {1,3}(?:[23]\d\d|[a-z]{4}\b)|recipient of your|your mail sent on|subject:|^to:|^from:|^date:|^sent:|reach(?:ed)? the following|could not be reached:\s*$|did not reach (?:all|some|any)|^\W{0,3}address not found\W{0,3}$|google tried to deliver",
    re.IGNORECASE,
)
REPORTS = frozenset({"message/delivery-status", "message/global-delivery-status"})
_INLINE_REPORT = re.compile(r"^(?:final|original)-recipient ?:", re.IGNORECASE | re.MULTILINE)
_ACTIONS = {
    "delivered": Kind.DELIVERED,
    "relayed": Kind.DELIVERED,
    "expanded": Kind.DELIVERED,
    "delayed": Kind.DELAYED,
}
MAX_RECIPIENTS = 50  # of one returned message
# EX_NOUSER and EX_NOHOST of sysexits.h, a local program's whole diagnostic: status and transcript say it in words.
_NOBODY_THERE = frozenset({"67", "68"})
_SECTION = 12  # lines behind a recipient's name that belong to it
_PLACES = 4  # where a notice may name a recipient: for people, for administrators, in a transcript


def human_lines(mail: Mail) -> list[str]:
    """The lines written for people, up to where the returned original begins."""
    lines: list[str] = []
    seen_plain = False
    for part in mail.parts:
        if part.kind in ORIGINALS:
            break
        if part.kind == "text/html" and seen_plain:
            continue
        if part.kind.startswith("text/"):
            seen_plain = seen_plain or any(line.strip() for line in part.lines)
            for i, line in enumerate(part.lines):
                if i > 1 and _ORIGINAL.match(line):
                    break
                lines.append(line)
    return lines[:2000]


def original_lines(mail: Mail) -> Iterator[str]:
    """Yield the lines of free text behind the place where the returned original begins."""
    for part in mail.parts:
        if part.kind == "text/plain":
            began = False
            for line in part.lines[:2000]:
                began = began or _ORIGINAL.match(line) is not None
                if began:
                    yield line.lstrip(" >")


def common_evidence(mail: Mail, human: Sequence[str]) -> Iterator[Evidence]:
    """Yield what was said of the message as a whole: asked where nothing clear was said of a recipient."""
    yield from _quoted(human, "")
    yield from _lines(human, "")
    yield Evidence(text=decoded(first(mail.fields, "subject")))


def reported(mail: Mail, human: Sequence[str], kind: Kind) -> Iterator[Told]:
    """Yield what a machine-readable report says of each recipient (RFC 3464 section 2.3)."""
    for part in mail.parts:
        if part.kind not in REPORTS and not _INLINE_REPORT.search("\n".join(part.lines[:400])):
            continue
        for fields in groups(part.lines):
            if not first(fields, "action") and not first(fields, "final-recipient"):
                continue
            recipient = address_of(first(fields, "final-recipient") or first(fields, "original-recipient"))
            action = first(fields, "action").split(" ")[0].lower().strip("()")
            yield Told(
                recipient=recipient or address_of(first(mail.fields, "x-failed-recipients")),
                kind=_ACTIONS.get(action, Kind.BOUNCE if action == "failed" else kind),
                status=status_of(first(fields, "status")),
                evidence=tuple(_evidence(fields, recipient, human)),
            )


def free(mail: Mail, human: Sequence[str], kind: Kind) -> Iterator[Told]:
    """Yield what free text says of each recipient it names; once with no recipient where it names none."""
    quoted = tuple(quoted_reply(reply, "", None) for reply in replies_in("\n".join(human)[:65536]))
    named = _ADDRESS.findall(first(mail.fields, "x-failed-recipients")[:4096])
    for recipient in (named or _recipients(human, mail) or [""])[:MAX_RECIPIENTS]:
        section = _section(human, recipient)
        words = " ".join(section)
        around = (Evidence(text=words, enhanced=status_of(words), stage=stage_of(words)),) if section else ()
        yield Told(
            recipient=recipient, kind=kind, status=None, evidence=(*quoted, *_quoted(section, ""), *around)
        )


def _evidence(fields: Fields, recipient: str, human: Sequence[str]) -> Iterator[Evidence]:
    host = first(fields, "remote-mta").partition(";")[2].strip().split(" ")[0]
    section = _section(human, recipient)
    stage = stage_of(" ".join(section))
    diagnostic = first(fields, "diagnostic-code")
    if diagnostic:
        words = re.sub(r"^\s*[A-Za-z0-9-]{1,40} ?;", "", diagnostic, count=1).strip()
        if words and words not in _NOBODY_THERE:
            local = diagnostic.lower().startswith("x-unix") and not _LEADING.match(words)
            said_to = stage or _in_transcript(human, words)
            yield msgspec.structs.replace(quoted_reply(words, host, said_to), local=local)
    yield from _quoted(section, host)
    status = first(fields, "status")
    if section:
        around = " ".join(section)
        yield Evidence(
            text=around,
            enhanced=status_of(around) or (None if diagnostic else status_of(status)),
            host=host,
            stage=stage,
        )
    if "(" in status:  # a comment behind the code, in the reporter's own words
        yield Evidence(text=status.partition("(")[2].rstrip(")"), enhanced=status_of(status), host=host)


def _in_transcript(human: Sequence[str], reply: str) -> Stage | None:
    """The command that sendmail's transcript shows above `reply`.

    Only RCPT and MAIL are believed: with pipelining, what stands below DATA may answer an earlier command.
    """
    said, stage = reply[:60].strip(), None
    for line in human[:400]:
        if line.lstrip().startswith(">>>"):
            stage = stage_of(line)
        elif line.lstrip().startswith("<<<") and said in line:
            return stage if stage in (Stage.RCPT, Stage.MAIL) else None
    return None


def status_of(text: str) -> str | None:
    """Return the first enhanced status code in `text`."""
    m = _ENHANCED.search(text)
    return m[1] if m else None


def _recipients(human: Sequence[str], mail: Mail) -> list[str]:
    """Addresses the text tells of: each once, those of sender and notifier left out."""
    own = set(_ADDRESS.findall(first(mail.fields, "to") + " " + first(mail.fields, "from")))
    found: dict[str, None] = {}
    for line in human[:400]:
        for m in _ADDRESS.finditer(line[:1000]):
            alone = re.fullmatch(
                r"[\s<\[(\"'*-]{0,12}\S{1,320}[>\])\"':;.,]{0,4}(?:\s.{0,400})?",
                line[max(0, m.start() - 12) : m.end() + 400],
            )
            if (
                m[0] not in own
                and alone
                and line[: m.start()].strip(" \t<[(\"'*-")
                in ("", "To:", "Invalid final delivery userid:", "Recipient:", "554", "550")
            ):
                found.setdefault(m[0])
    return list(found)


def _section(human: Sequence[str], recipient: str) -> list[str]:
    """The lines that follow the naming of `recipient`: of several places the first that quotes a code, or the first.

    Notices in other languages than English, above all, say it for people first and for administrators below.
    """
    named = (i for i, line in enumerate(human) if recipient and recipient.lower() in line.lower())
    first_one: list[str] = []
    for i in islice(named, _PLACES):
        section = _section_at(human, i, recipient)
        if any(_CODE.search(line[:2000]) or status_of(line[:2000]) for line in section):
            return section
        first_one = first_one or section
    return first_one


def _section_at(human: Sequence[str], i: int, recipient: str) -> list[str]:
    """The lines from line `i` until an empty line behind words or another address."""
    section = [human[i].strip()]
    for more in human[i + 1 : i + 1 + _SECTION]:
        other = _ADDRESS.match(more[:1000].lstrip("<[(* "))
        if other and other[0].lower() != recipient.lower() and not more[:1].isspace():
            break
        if not more.strip():
            if len(section) > 1 or _CODE.search(human[i]):
                break
            continue
        section.append(more.strip())
    return section


def _quoted(lines: Sequence[str], host: str) -> Iterator[Evidence]:
    """Yield the replies quoted in free text, each with the lines that continue it; refusals before deferrals."""
    found: list[Evidence] = []
    stage: Stage | None = None
    skip = -1
    for i, line in enumerate(lines[:600]):
        here = stage_of(line)
        if here:
            stage = here
        if i <= skip:
            continue
        m = _CODE.search(line[:2000])
        if not m or m[1][0] not in "45" or _year_or_size(line, m):
            continue
        words = [line[m.start() : 2000].strip()]
        for j, more in enumerate(lines[i + 1 : i + 6], i + 1):
            if not more.strip() or re.match(
                r"\s*(?:<<<|>>>|\.\.\. while|-{3}|giving up on)", more, re.IGNORECASE
            ):
                break
            if _CODE.match(more.strip()) and not more.strip().startswith(m[1]):
                break
            words.append(more.strip())
            skip = j
        before = _SMTP_BEHIND.search(line[: m.start()][-40:])
        text = f"{m[1]} {before[1]}{' '.join(words)[3:]}" if before and not m[2] else " ".join(words)
        name = _HOST.search(" ".join(lines[max(0, i - 3) : i + 1])[-600:])
        found.append(quoted_reply(text, host or (name[1] if name else ""), stage_of(text) or stage))
        if len(found) >= 20:
            break
    yield from sorted(found, key=lambda e: e.code < 500)


def _year_or_size(line: str, m: re.Match[str]) -> bool:
    """A number that only looks like a code: part of a date, a size or a queue time."""
    after = line[m.end(1) : m.end(1) + 12].lower()
    return bool(re.match(r" ?(?:bytes|octets|seconds|minutes|hours|[kmg]b\b|\d{2}:\d{2})", after))


def _lines(human: Sequence[str], host: str) -> Iterator[Evidence]:
    """Yield the text line by line, then as a whole, without what every notice says."""
    kept = [line.strip() for line in human[:300] if line.strip() and not _BOILERPLATE.search(line[:500])]
    for i, line in enumerate(kept[:120]):
        yield Evidence(
            text=f"{line} {kept[i + 1] if i + 1 < len(kept) else ''}", enhanced=status_of(line), host=host
        )
    yield Evidence(text=" ".join(kept), host=host)


def quoted_reply(words: str, host: str, stage: Stage | None) -> Evidence:
    """Read one quoted reply: code, enhanced code, words (codes repeated on continuation lines dropped)."""
    words = _REGISTRY_WORDS.sub("", words, count=1)
    m = _LEADING.match(words)
    if m:
        code, enhanced, rest = int(m[1]), m[2], m[3]
    else:
        inner = _CODE.search(words[:2000])
        code, enhanced, rest = (int(inner[1]), inner[2], words) if inner else (0, None, words)
    if enhanced is None:
        found = _ENHANCED.search(rest[:400])
        enhanced = found[1] if found else None
    return Evidence(
        text=_REPEATED.sub(" ", rest[:4096]),
        code=code,
        enhanced=enhanced,
        host=host,
        stage=stage or stage_of(words),
    )


def stage_of(text: str) -> Stage | None:
    """Return the command that `text` says was answered."""
    return next((stage for pattern, stage in _STAGES if pattern.search(text[:2000])), None)


def address_of(text: str) -> str:
    """Return the address in a field such as ``rfc822; a@b``, or ``""``."""
    m = _ADDRESS.search(text.partition(";")[2] or text)
    return m[0] if m else ""


def pasted(text: str) -> tuple[Evidence, str]:
    """Read one reply or log line: what was said, and the recipient it names or ``""``."""
    words = " ".join(text.split())
    item = quoted_reply(re.sub(r"^(?:smtp|lmtp|x-\w{1,20}) ?; ?", "", words, flags=re.IGNORECASE), "", None)
    reply = _CODE.search(words[:2000])
    # Who speaks stands before what is said; a name within the reply is as often ours ("Messages from 192.0.2.1 ...").
    host = _HOST.search(words[: reply.start() if reply else 2000])
    return msgspec.structs.replace(item, host=host[1] if host else ""), address_of(words[:2000])
