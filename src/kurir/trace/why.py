"""Explains what somebody pastes: one SMTP reply, a log line, or a whole returned message.

A returned message is read for its machine-readable report (RFC 3464) first, then for replies quoted in
its text, then for plain words; the returned original is never taken for the explanation.  The input is
bounded (`mailparts.MAX_TEXT`), every step is linear, and no text makes it raise.
"""

import re
from collections.abc import Iterator
from itertools import islice

import msgspec

from kurir.model import Cause, Stage

from .bounce import (
    MAX_RECIPIENTS,
    Evidence,
    Told,
    common_evidence,
    free,
    human_lines,
    pasted,
    reported,
)
from .bounce_kind import Kind, kind_of
from .consequences import Action, Reach, action_for
from .explain import Catalogue, Lang, Side, side_of
from .explain.catalogue import printable
from .mailparts import MAX_TEXT, Mail, read_mail
from .replies import Verdict, classify_reply, never_final

_DEAD = frozenset({Cause.UNKNOWN_USER, Cause.UNKNOWN_DOMAIN, Cause.NULL_MX})


class Why(msgspec.Struct, frozen=True, kw_only=True):
    """One explained refusal.

    `hard` says that the address itself is proven dead, so that nobody should write to it again; `final`
    that sending the same again does not help (the words alone: a report that ends days of "user unknown, try later" is
    hard without being final).  `side` says whose matter it is, `reach` what else shares the trouble,
    `other_road` that another way out may do.  `text` is the explanation in words, `said` what the other
    side said word for word (made printable), `code` 0 and `enhanced` None where nothing was said.
    """

    kind: Kind
    cause: Cause
    final: bool
    hard: bool
    action: Action
    side: Side
    reach: Reach
    other_road: bool
    text: str
    code: int = 0
    enhanced: str | None = None
    host: str = ""
    recipient: str = ""
    stage: Stage | None = None
    said: str = ""


def explain(text: str, lang: Lang = "en") -> Why:
    """Explain `text`; of several recipients the first.  Never raises."""
    return explain_all(text, lang)[0]


def explain_all(text: str, lang: Lang = "en") -> tuple[Why, ...]:
    """Explain `text`: one `Why` for each recipient it tells of, at least one."""
    mail = read_mail(text)
    return (_reply(text[:MAX_TEXT], lang),) if mail is None else explain_mail(mail, lang)


def explain_mail(mail: Mail, lang: Lang = "en") -> tuple[Why, ...]:
    """Explain a message that was taken apart."""
    kind = kind_of(mail)
    if kind in (Kind.COMPLAINT, Kind.AUTO_REPLY, Kind.DELIVERED, Kind.NOTHING):
        return (_plain(kind, lang),)
    human = human_lines(mail)
    judge = _Judge(common_evidence(mail, human), lang)
    told = tuple(islice(reported(mail, human, kind), MAX_RECIPIENTS)) or tuple(free(mail, human, kind))
    return tuple(judge.judge(one) for one in told)


class _Judge:
    """Judges the recipients of one message; what is common to them is classified once."""

    def __init__(self, common: Iterator[Evidence], lang: Lang) -> None:
        self._lang: Lang = lang
        self._unread = common
        self._common: list[tuple[Evidence, Verdict]] = []

    def judge(self, told: Told) -> Why:
        """Take the first thing said that names a cause; vague words count only where nothing is better."""
        if told.kind is Kind.DELIVERED:
            return _plain(told.kind, self._lang, told.recipient)
        chosen: tuple[Evidence, Verdict] | None = None
        for item, verdict in self._everything(told):
            if verdict.cause in (Cause.UNKNOWN, Cause.OK):
                continue
            if chosen is None or (verdict.sure and not chosen[1].sure):
                chosen = item, verdict
            if chosen[1].sure or chosen[0].local:
                break
        status = told.status
        if chosen is None or (status and not (chosen[1].sure or chosen[0].code or chosen[0].local)):
            by_status = classify_reply(0, status, chosen[0].text if chosen else "")
            if chosen is None or by_status.sure:
                item = told.evidence[0] if told.evidence else Evidence(text="")
                chosen = msgspec.structs.replace(item, enhanced=item.enhanced or status), by_status
        return _why(*chosen, told.kind, told.recipient, self._lang, status)

    def _everything(self, told: Told) -> Iterator[tuple[Evidence, Verdict]]:
        yield from ((item, _classify(item)) for item in told.evidence)
        yield from self._common
        for item in self._unread:
            self._common.append((item, _classify(item)))
            yield self._common[-1]


def _classify(item: Evidence) -> Verdict:
    verdict = classify_reply(item.code, item.enhanced, item.text, item.stage, host=item.host)
    if item.local and (not verdict.sure or verdict.cause is Cause.UNKNOWN_USER):
        return Verdict(
            cause=Cause.REMOTE_FAULT,
            final=verdict.final,
            action=action_for(Cause.REMOTE_FAULT, final=verdict.final),
            reach=Reach.RECIPIENT,
            by="text",
        )
    return verdict


def _why(item: Evidence, verdict: Verdict, kind: Kind, recipient: str, lang: Lang, status: str | None) -> Why:
    final = _finality(verdict, item, kind, status)
    sentence = Catalogue.load().explain_cause(
        verdict.cause, lang, host=item.host, recipient=recipient, domain=recipient.rpartition("@")[2]
    )
    return Why(
        kind=kind,
        cause=verdict.cause,
        final=final,
        hard=(final or _came_back(verdict, kind, status)) and _dead(verdict, item, status),
        action=verdict.action if final == verdict.final else action_for(verdict.cause, final=final),
        side=side_of(verdict.cause),
        reach=verdict.reach,
        other_road=verdict.other_road,
        text=f"{sentence.what} {sentence.todo}",
        code=item.code,
        enhanced=item.enhanced or status,
        host=item.host,
        recipient=recipient,
        stage=item.stage,
        said=printable(item.text[:2000]).strip(),
    )


def _finality(verdict: Verdict, item: Evidence, kind: Kind, status: str | None) -> bool:
    """Whether it is over: what was said decides, then the report's own status, then that it came back at all."""
    if kind is Kind.DELAYED:
        # Some call the last notice a temporary one, too; a quoted 4xx says that it goes on
        return verdict.cause is Cause.EXPIRED and item.code // 100 != 4
    if item.code or item.enhanced or kind is Kind.REPLY or never_final(verdict.cause):
        return verdict.final
    return status[0] == "5" if status else True


def _came_back(verdict: Verdict, kind: Kind, status: str | None) -> bool:
    """Whether a report ends days of "no such user, try later": what was never taken back is proof by then."""
    return (
        verdict.cause in (Cause.UNKNOWN_USER, Cause.UNKNOWN_DOMAIN)
        and kind is Kind.BOUNCE
        and status is not None
    )


# A directory that was asked by the reporting server itself: it looked at a name, never at the mail.
_LOOKED_UP = re.compile(
    r"address book|directory|not (?:recogni[sz]ed|listed)|delivery userid|could(?: not|n't) be found|wasn't found at|unrouteable address|unknown in (?:\w{1,12} ){1,2}table"
)

# RFC 5321 section 4.2.2 has these words for a refused command only.
_OF_A_COMMAND = re.compile(r"requested (?:mail )?action not taken")


def _dead(verdict: Verdict, item: Evidence, status: str | None) -> bool:
    """Whether the address is proven dead, so that a suppression list may keep it.

    "User unknown" is proof with an enhanced code about the address, in answer to RCPT, by a provider's own words for
    it, or where the reporting server looked the name up itself.  Said after the content, with a code about something
    else, or nobody knows when, it is also what carriers and gateways answer for mail that a recipient's filter stopped.
    """
    if status and status[0] == "4" and not item.code:
        return False
    if verdict.cause is not Cause.UNKNOWN_USER:
        return verdict.cause in _DEAD
    code = item.enhanced or status or ""
    if code[1:4] in (".1.", ".5."):
        return True
    if verdict.by == "provider":  # some, like Yahoo, look a name up only after the content
        return True
    if item.stage is not None:
        return item.stage is Stage.RCPT
    words = item.text.lower()
    if _OF_A_COMMAND.search(words) and code[1:4] != ".7.":  # a policy has no command's words
        return True
    return not item.code and _LOOKED_UP.search(words) is not None


def _reply(text: str, lang: Lang) -> Why:
    """Explain one reply or log line."""
    item, recipient = pasted(text)
    words = " ".join(text.split())
    verdict = classify_reply(item.code, item.enhanced, item.text, item.stage, host=words[:1000])
    nothing = verdict.cause is Cause.UNKNOWN and not item.code and not item.enhanced
    if nothing:
        return _plain(Kind.NOTHING, lang)
    why = _why(item, verdict, Kind.REPLY, recipient, lang, None)
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
        side=side_of(cause),
        reach=Reach.SENDER if kind is Kind.COMPLAINT else Reach.NOTHING,
        other_road=False,
        text=Catalogue.load().text(lang, f"ui.why.{key}"),
        recipient=recipient,
    )
