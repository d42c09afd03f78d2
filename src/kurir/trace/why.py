"""Explains what somebody pastes: one SMTP reply, a log line, or a whole returned message.

A returned message is read for its machine-readable report (RFC 3464) first, then for replies quoted in
its text, then for plain words; the returned original is never taken for the explanation.  The input is
bounded (`mailparts.MAX_TEXT`), every step is linear, and no text makes it raise.
"""

import re
from collections.abc import Iterator, Sequence
from enum import Enum

import msgspec

from kurir.model import Cause, Stage

from .explain import Catalogue, Lang
from .explain.catalogue import printable
from .mailparts import MAX_TEXT, Fields, Mail, first, groups, read_mail
from .replies import Action, Verdict, action_for, classify_reply


class Kind(str, Enum):
    """What the pasted text is."""

    REPLY = "reply"  # one reply or log line
    BOUNCE = "bounce"  # a returned message
    DELAYED = "delayed"  # a warning: the other server still tries
    DELIVERED = "delivered"  # a report of success
    COMPLAINT = "complaint"  # a recipient called it unwanted (RFC 5965)
    AUTO_REPLY = "auto_reply"  # somebody is away (RFC 3834)
    NOTHING = "nothing"  # neither: nothing to explain


class Why(msgspec.Struct, frozen=True, kw_only=True):
    """One explained refusal.

    `hard` says that the address itself is proven dead, so that nobody should write to it again; `final`
    that sending the same again does not help.  `text` is the explanation in words, `said` what the other
    side said word for word (made printable), `code` 0 and `enhanced` None where nothing was said.
    """

    kind: Kind
    cause: Cause
    final: bool
    hard: bool
    action: Action
    text: str
    code: int = 0
    enhanced: str | None = None
    host: str = ""
    recipient: str = ""
    stage: Stage | None = None
    said: str = ""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was said about one recipient."""

    text: str
    code: int = 0
    enhanced: str | None = None
    host: str = ""
    stage: Stage | None = None
    firm: bool = False  # the party that decided speaks: vague words of its count too


# A reply inside free text: a code, perhaps an enhanced code, words.
_CODE = re.compile(r"(?<![\w.#/=@:-])#?([245]\d\d)[ -](?:#?([245]\.\d{1,3}\.\d{1,3})\b)?(?=[ :\w<'\"#(\[;-])")
_ENHANCED = re.compile(r"(?<![\w.])#?([245]\.\d{1,3}\.\d{1,3})(?![\w.]|\s*\[)")
_LEADING = re.compile(
    r"\s{0,9}#?([2-5]\d\d)(?:[ :-]|$)\s{0,9}#?(?:([245]\.\d{1,3}\.\d{1,3})\b)?[ :-]{0,3}(.*)", re.DOTALL
)
_REPEATED = re.compile(r"(?:^| )[245]\d\d[ -](?:[245]\.\d{1,3}\.\d{1,3})? ?(?=[A-Za-z<\"(\[])")
_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9][A-Za-z0-9.-]{1,253}[A-Za-z0-9]")
_HOST = re.compile(
    r"(?:host|from|by|server|relay=|talking to|mx) ?\"?([A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8})\.?",
    re.IGNORECASE,
)
_STAGES: tuple[tuple[re.Pattern[str], Stage], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), stage)
    for pattern, stage in (
        (r"end of data|after (?:end of data|pipelined data|text)|text command", Stage.BODY),
        (r"(?:in reply to|after|to|>>>) ?(?:the )?(?:smtp )?data\b", Stage.DATA),
        (r"(?:reply to|after|to) (?:the )?(?:smtp )?rcpt|>>> ?rcpt|\[rcpt_to\]|\(state 14\)", Stage.RCPT),
        (r"(?:reply to|after) (?:the )?(?:smtp )?mail\b|>>> ?mail|\[mail_from\]|\(state 13\)", Stage.MAIL),
        (r">>> ?starttls|starttls command", Stage.TLS),
        (r"(?:in reply to|after|>>>) ?(?:helo|ehlo)", Stage.HELO),
        (r"refused to talk to me|initial connection|greeting|connect(?:ing|ed)? to", Stage.BANNER),
    )
)

_NOTIFIER = re.compile(
    r"mailer-?daemon|post_?master|mail delivery|mail administrator|mailgate|bounce", re.IGNORECASE
)
_SUBJECT = re.compile(
    r"undeliver|delivery (?:status|fail|report|error|problem|has failed)|returned (?:mail|message)|fail(?:ure|ed)|non ?remis|not be delivered|"
    r"could not (?:be )?(?:send|deliver|sent)|mail (?:system )?error|bounce|rejected|warning: could not|nondeliver|delayed|loop alert|unzustellbar|"
    r"message (?:not|could|status)|delivery notification|notification d|メールエラー|配信",
    re.IGNORECASE,
)
_COMPLAINT = re.compile(r"^\s*(?:unsubscribe\s*$|complaint about message|abuse report)", re.IGNORECASE)
_AWAY = re.compile(
    r"^(?:re: ?)?(?:auto(?:matic)?[ -]?(?:reply|response|antwort)?|out of (?:the )?office|away|vacation|holiday|abwesen)",
    re.IGNORECASE,
)
_DELAY = re.compile(
    r"warning message only|has been delayed|is delayed|delayed for|will be (?:re)?tried|temporary failure report|still (?:trying|being)|do(?:es)? not need to (?:re-?send|do)|keep trying|not yet been delivered",
    re.IGNORECASE,
)
# Where the returned original begins in free text.
_ORIGINAL = re.compile(
    r"(?:[->*\s_=.]{0,60}(?:original message|unsent message|message headers? follow|returned (?:message|mail)|(?:below|this|here) (?:this line )?is a copy|message header|"
    r"your (?:original )?message (?:was|follows|reads|is enclosed)|bounced e-?mail|original mail|copy of (?:the|your)|(?:a copy of )?the (?:original )?message (?:follows|headers)|"
    r"undelivered message|the body of|(?:the )?header of|message contains|reporting-mta:|rejected message|beginning of)|\s{0,3}>?(?:received|return-path|x-original-to|delivered-to|dkim-signature|mime-version): ?\S?)",
    re.IGNORECASE,
)
_JSON = re.compile(r'\\?"diagnosticCode\\?" ?: ?\\?"(.{1,1000}?)\\?"')
# Boilerplate that says nothing about the cause.
_BOILERPLATE = re.compile(
    r"created automatically|could not be delivered to|permanent (?:error|failure)|fatal errors|transcript of session|please do not reply|following address|for further assistance|"
    r"delete your own text|technical details|permanently failed|delivery to the following|was undeliverable|postmaster|hi\. this is|i'm afraid|sorry it didn't|mime|"
    r"notification d|mail delivery (?:failed|status|system)|delivery status notification|i'm sorry to have to inform|attached returned message|problem report|include this|"
    r"this is (?:the|an|a) |delivery has failed|reading text|contact (?:your|the) |recipient of your|your mail sent on|subject:|^to:|^from:|^date:|^sent:|reached the following|reach the following",
    re.IGNORECASE,
)
_REPORTS = frozenset({"message/delivery-status", "message/global-delivery-status"})
_INLINE_REPORT = re.compile(r"^(?:final|original)-recipient ?:", re.IGNORECASE | re.MULTILINE)
_UNSAID = frozenset({Cause.UNKNOWN})
_VAGUE = frozenset(
    {
        Cause.UNKNOWN,
        Cause.POLICY_RECEIVER,
        Cause.REMOTE_FAULT,
        Cause.BUSY,
        Cause.EXPIRED,
        Cause.PROTOCOL_ERROR,
    }
)
_DEAD = frozenset({Cause.UNKNOWN_USER, Cause.UNKNOWN_DOMAIN, Cause.NULL_MX})
_ACTIONS = {
    "delivered": Kind.DELIVERED,
    "relayed": Kind.DELIVERED,
    "expanded": Kind.DELIVERED,
    "delayed": Kind.DELAYED,
}
_SECTION = 12  # lines behind a recipient's name that belong to it


def explain(text: str, lang: Lang = "en") -> Why:
    """Explain `text`; of several recipients the first.  Never raises."""
    return explain_all(text, lang)[0]


def explain_all(text: str, lang: Lang = "en") -> tuple[Why, ...]:
    """Explain `text`: one `Why` for each recipient it tells of, at least one."""
    mail = read_mail(text)
    if mail is None:
        return (_reply(text[:MAX_TEXT], lang),)
    kind = _kind(mail)
    if kind in (Kind.COMPLAINT, Kind.AUTO_REPLY, Kind.NOTHING):
        return (_plain(kind, lang),)
    human = _human(mail)
    reported = list(_reported(mail, human, kind, lang))
    if reported:
        return tuple(reported)
    return tuple(_free(mail, human, kind, lang))


# -- what it is --------------------------------------------------------------------------------------


def _kind(mail: Mail) -> Kind:
    kinds = {part.kind for part in mail.parts}
    content_type = first(mail.fields, "content-type").lower()
    body = "\n".join(line for part in mail.parts[:2] for line in part.lines[:60])
    if (
        "message/feedback-report" in kinds
        or "feedback-report" in content_type
        or _COMPLAINT.search(first(mail.fields, "subject"))
        or re.search(r"notificationType\W{1,8}Complaint", body)
    ):
        return Kind.COMPLAINT
    subject, sender = first(mail.fields, "subject"), first(mail.fields, "from")
    notifier = bool(_NOTIFIER.search(sender)) or first(mail.fields, "return-path") == "<>"
    told = (
        "message/delivery-status" in kinds
        or "delivery-status" in content_type
        or first(mail.fields, "x-failed-recipients") != ""
        or bool(_SUBJECT.search(subject))
        or "diagnosticCode" in body
    )
    automatic = first(mail.fields, "auto-submitted").lower().startswith("auto-replied")
    if _AWAY.search(subject) and not told:
        return Kind.AUTO_REPLY
    if automatic and not told and not (_NOTIFIER.search(sender) and _CODE.search(body)):
        return Kind.AUTO_REPLY
    if (
        not told
        and not notifier
        and not re.search(r"could not be delivered|delivery error|undeliver|not deliver", body, re.IGNORECASE)
    ):
        return Kind.NOTHING
    delayed = re.search(r"delay|warning", subject, re.IGNORECASE) or _DELAY.search(body)
    return Kind.DELAYED if delayed else Kind.BOUNCE


def _human(mail: Mail) -> list[str]:
    """The lines written for people, up to where the returned original begins."""
    lines: list[str] = []
    seen_plain = False
    for part in mail.parts:
        if part.kind in ("message/rfc822", "text/rfc822-headers", "message/partial", "message/global"):
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


# -- machine-readable reports ------------------------------------------------------------------------


def _reported(mail: Mail, human: list[str], kind: Kind, lang: Lang) -> Iterator[Why]:
    for part in mail.parts:
        if part.kind not in _REPORTS and not _INLINE_REPORT.search("\n".join(part.lines[:400])):
            continue
        for fields in groups(part.lines):
            recipient = _address(first(fields, "final-recipient") or first(fields, "original-recipient"))
            if not first(fields, "action") and not first(fields, "final-recipient"):
                continue
            action = first(fields, "action").split(" ")[0].lower().strip("()")
            yield _judge(
                list(_evidence(fields, recipient, human)),
                _ACTIONS.get(action, Kind.BOUNCE if action == "failed" else kind),
                recipient or _address(first(mail.fields, "x-failed-recipients")),
                lang,
                status=_status(first(fields, "status")),
            )


def _evidence(fields: Fields, recipient: str, human: list[str]) -> Iterator[Evidence]:
    host = first(fields, "remote-mta").partition(";")[2].strip().split(" ")[0]
    section = _section(human, recipient)
    stage = _stage(" ".join(section))
    diagnostic = first(fields, "diagnostic-code")
    if diagnostic:
        words = re.sub(r"^\s*[A-Za-z0-9-]{1,40} ?;", "", diagnostic, count=1).strip()
        if words:
            # A local delivery program speaks (RFC 3464 section 2.1.1): its trouble, not the network's.
            local = diagnostic.lower().startswith("x-unix") and not _LEADING.match(words)
            if local and not _informative(words):
                words = f"mailer error: {words}"
            yield msgspec.structs.replace(_said(words, host, stage), firm=local)
    yield from _quoted(section, host)
    if section:
        yield Evidence(text=" ".join(section), enhanced=_status(" ".join(section)), host=host, stage=stage)
    yield from _quoted(human, host)
    yield from _lines(human, host)


def _informative(words: str) -> bool:
    return classify_reply(0, None, words).cause not in _VAGUE | {Cause.UNKNOWN_USER}


def _status(text: str) -> str | None:
    m = _ENHANCED.search(text)
    return m[1] if m else None


# -- free text ---------------------------------------------------------------------------------------


def _free(mail: Mail, human: list[str], kind: Kind, lang: Lang) -> Iterator[Why]:
    diagnostics = [m[1].replace('\\"', '"') for m in _JSON.finditer("\n".join(human)[:65536])]
    named = [a for value in (first(mail.fields, "x-failed-recipients"),) for a in _ADDRESS.findall(value)]
    recipients = named or _recipients(human, mail)
    subject = first(mail.fields, "subject")
    for recipient in recipients[:50] or [""]:
        section = _section(human, recipient) if recipient else []
        evidence = [_said(re.sub(r"^smtp ?; ?", "", d), "", None) for d in diagnostics[:5]]
        evidence += list(_quoted(section, ""))
        if section:
            words = " ".join(section)
            evidence.append(Evidence(text=words, enhanced=_status(words), stage=_stage(words)))
        evidence += list(_quoted(human, ""))
        evidence += list(_lines(human, ""))
        evidence.append(Evidence(text=subject))
        yield _judge(evidence, kind, recipient, lang, status=None)


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
    """The lines that follow the naming of `recipient`, until an empty line behind words or another address."""
    if not recipient:
        return []
    for i, line in enumerate(human):
        if recipient.lower() in line.lower():
            section = [line.strip()]
            for more in human[i + 1 : i + 1 + _SECTION]:
                other = _ADDRESS.search(more[:1000])
                if (
                    other
                    and other[0].lower() != recipient.lower()
                    and not _CODE.search(more[:1000])
                    and more[:1].strip()
                ):
                    break
                if not more.strip():
                    if len(section) > 1 or _CODE.search(line):
                        break
                    continue
                section.append(more.strip())
            return section
    return []


def _quoted(lines: Sequence[str], host: str) -> Iterator[Evidence]:
    """Yield the replies quoted in free text, each with the lines that continue it; refusals before deferrals."""
    found: list[Evidence] = []
    stage: Stage | None = None
    skip = -1
    for i, line in enumerate(lines[:600]):
        here = _stage(line)
        if here:
            stage = here
        if i <= skip:
            continue
        m = _CODE.search(line[:2000])
        if not m or m[1][0] not in "45" or _year_or_size(line, m):
            continue
        words = [line[m.start() : 2000].strip()]
        for j, more in enumerate(lines[i + 1 : i + 6], i + 1):
            if not more.strip() or re.match(r"\s*(?:<<<|>>>|\.\.\. while|-{3})", more):
                break
            if _CODE.match(more.strip()) and not more.strip().startswith(m[1]):
                break
            words.append(more.strip())
            skip = j
        text = " ".join(words)
        name = _HOST.search(" ".join(lines[max(0, i - 3) : i + 1])[-600:])
        found.append(_said(text, host or (name[1] if name else ""), _stage(text) or stage))
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
            text=f"{line} {kept[i + 1] if i + 1 < len(kept) else ''}", enhanced=_status(line), host=host
        )
    yield Evidence(text=" ".join(kept), host=host)


# -- judging -----------------------------------------------------------------------------------------


def _said(words: str, host: str, stage: Stage | None) -> Evidence:
    """Read one quoted reply: code, enhanced code, words (codes repeated on continuation lines dropped)."""
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
        stage=stage or _stage(words),
    )


def _stage(text: str) -> Stage | None:
    return next((stage for pattern, stage in _STAGES if pattern.search(text[:2000])), None)


def _judge(evidence: list[Evidence], kind: Kind, recipient: str, lang: Lang, *, status: str | None) -> Why:
    """Take the first thing said that names a cause; vague words count only when nothing is better."""
    if kind is Kind.DELIVERED:
        return _plain(kind, lang, recipient)
    chosen: tuple[Evidence, Verdict] | None = None
    for item in evidence:
        verdict = classify_reply(item.code, item.enhanced, item.text, item.stage, host=item.host)
        if verdict.cause in _UNSAID or verdict.cause is Cause.OK:
            continue
        if chosen is None or (
            chosen[1].cause in _VAGUE and verdict.cause not in _VAGUE and not chosen[0].code
        ):
            chosen = item, verdict
        if chosen[1].cause not in _VAGUE or chosen[0].code or chosen[0].firm:
            break
    if chosen is None or (status and chosen[1].cause in _VAGUE and not chosen[0].code and not chosen[0].firm):
        by_status = classify_reply(0, status, chosen[0].text if chosen else "")
        if chosen is None or by_status.cause not in _VAGUE:
            item = evidence[0] if evidence else Evidence(text="")
            chosen = msgspec.structs.replace(item, enhanced=item.enhanced or status), by_status
    item, verdict = chosen
    return _why(item, verdict, kind, recipient, lang, status)


def _why(item: Evidence, verdict: Verdict, kind: Kind, recipient: str, lang: Lang, status: str | None) -> Why:
    final = verdict.final and kind is not Kind.DELAYED
    sentence = Catalogue.load().explain_cause(
        verdict.cause, lang, host=item.host, recipient=recipient, domain=recipient.rpartition("@")[2]
    )
    return Why(
        kind=kind,
        cause=verdict.cause,
        final=final,
        hard=final and _dead(verdict.cause, item, status),
        action=verdict.action if final == verdict.final else action_for(verdict.cause, final=final),
        text=f"{sentence.what} {sentence.todo}",
        code=item.code,
        enhanced=item.enhanced or status,
        host=item.host,
        recipient=recipient,
        stage=item.stage,
        said=printable(item.text[:2000]).strip(),
    )


def _dead(cause: Cause, item: Evidence, status: str | None) -> bool:
    """Whether the address is proven dead, so that a suppression list may keep it.

    "User unknown" is proof with an enhanced code about the address, or in answer to RCPT.  Said after the
    content, or with a code about something else, it is what several carriers answer for mail that a
    recipient's filter stopped.
    """
    if cause is not Cause.UNKNOWN_USER:
        return cause in _DEAD
    code = item.enhanced or status or ""
    if code[1:4] == ".1.":
        return True
    if item.stage is not None:
        return item.stage is Stage.RCPT
    return code[1:4] not in (".2.", ".7.")


def _reply(text: str, lang: Lang) -> Why:
    """Explain one reply or log line."""
    words = " ".join(text.split())
    item = _said(re.sub(r"^(?:smtp|lmtp|x-\w{1,20}) ?; ?", "", words, flags=re.IGNORECASE), "", None)
    host = _HOST.search(words[:2000])
    addresses = _ADDRESS.findall(words[:2000])
    item = msgspec.structs.replace(item, host=host[1] if host else "")
    verdict = classify_reply(item.code, item.enhanced, item.text, item.stage, host=words[:1000])
    nothing = verdict.cause is Cause.UNKNOWN and not item.code and not item.enhanced
    if nothing:
        return _plain(Kind.NOTHING, lang)
    why = _why(item, verdict, Kind.REPLY, addresses[0] if addresses else "", lang, None)
    return msgspec.structs.replace(why, said=printable(words[:2000]))


def _plain(kind: Kind, lang: Lang, recipient: str = "") -> Why:
    """What is no refusal at all."""
    key = {
        Kind.COMPLAINT: "complaint",
        Kind.AUTO_REPLY: "auto_reply",
        Kind.DELIVERED: "delivered",
    }.get(kind, "not_understood")
    cause = {Kind.COMPLAINT: Cause.CONTENT_SPAM, Kind.NOTHING: Cause.UNKNOWN}.get(kind, Cause.OK)
    return Why(
        kind=kind,
        cause=cause,
        final=kind is Kind.DELIVERED,
        hard=False,
        action=Action.CONTACT_RECIPIENT if kind is Kind.COMPLAINT else Action.NONE,
        text=Catalogue.load().text(lang, f"ui.why.{key}"),
        recipient=recipient,
    )


def _address(text: str) -> str:
    m = _ADDRESS.search(text.partition(";")[2] or text)
    return m[0] if m else ""
