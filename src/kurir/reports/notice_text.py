"""The first part of a report: what a person reads (RFC 3464 section 2, item (b)).

One block for each language, and in it one paragraph for each kind of news; the address first, then what happened,
what to do, and the other server's words between quotes, untouched but for characters that could do harm.
"""

import textwrap
from collections.abc import Sequence
from datetime import UTC, timedelta, timezone
from typing import Protocol

from kurir.limits import LimitNames
from kurir.message.words import disarm
from kurir.model import Cause, OutcomeKind, encode_id
from kurir.queue.asks import NoticeReason, NoticeWork
from kurir.trace import Catalogue, Teller, say_noted, wait_words, waited_words
from kurir.trace.explain import units

from .settings import Lang, ReportSettings
from .statuses import ACTIONS

_WIDTH = 76
_MAX_LISTED = 100  # recipients; the rest stand in the machine-readable part


class Sentence(Protocol):
    """What happened, and what a person can do about it."""

    @property
    def what(self) -> str:
        """What happened."""
        ...

    @property
    def todo(self) -> str:
        """What to do; may be empty."""
        ...


class Explain(Protocol):
    """The catalogue of causes, as `kurir.trace.explain` offers it.  Unknown `values` are ignored."""

    def __call__(
        self, cause: Cause, lang: Lang, *, final: bool | None = None, time: str = "", **values: object
    ) -> Sentence:
        """Return the sentences for `cause` in `lang`."""
        ...


WAITING = "waiting"
"""The news of a recipient that is delayed by a limit of others alone."""


def news_of(reason: NoticeReason) -> str:
    """Return what there is to tell of one recipient: its action, or that it only waits its turn."""
    return WAITING if reason.action == "delayed" and reason.limit is not None else reason.action


def by_news(reasons: Sequence[NoticeReason]) -> dict[str, list[NoticeReason]]:
    """Group `reasons` by what there is to tell, the worst news first."""
    groups = {news: [r for r in reasons if news_of(r) == news] for news in (*ACTIONS, WAITING)}
    return {news: found for news, found in groups.items() if found}


def subject(work: NoticeWork, settings: ReportSettings) -> str:
    """Return the subject in plain words, in each language; the worst news decides."""
    news = "held" if work.held else next(iter(by_news(work.reasons)))
    return " / ".join(_say(lang, f"subject.{news}") for lang in settings.languages)


def _say(lang: Lang, key: str, **values: object) -> str:
    return Catalogue.load().text(lang, f"notice.{key}", **values)


def body(work: NoticeWork, settings: ReportSettings, explain: Explain, names: LimitNames) -> str:
    """Return the whole text, lines ending with a line feed."""
    blocks = [_block(work, settings, explain, names, lang) for lang in settings.languages]
    if len(blocks) > 1:
        blocks = [
            f"-- {_say(lang, 'word.name')} --\n\n{block}"
            for lang, block in zip(settings.languages, blocks, strict=True)
        ]
    return "\n\n".join(blocks) + "\n"


def _block(
    work: NoticeWork, settings: ReportSettings, explain: Explain, names: LimitNames, lang: Lang
) -> str:
    paragraphs: list[str] = []
    if work.held:
        paragraphs.append(_wrapped(_say(lang, "intro.held")))
    for news, reasons in by_news(work.reasons).items():
        if not work.held:
            paragraphs.append(_wrapped(_say(lang, f"intro.{news}")))
        paragraphs += [_one(reason, settings, explain, names, lang) for reason in reasons[:_MAX_LISTED]]
        if len(reasons) > _MAX_LISTED:
            paragraphs.append(f"  + {len(reasons) - _MAX_LISTED}")
    facts = []
    if work.held:
        facts.append((_say(lang, "word.sender"), str(work.original.reverse_path or "<>")))
    facts.append((_say(lang, "word.subject"), work.subject or _say(lang, "word.none")))
    facts.append((_say(lang, "word.date"), _moment(work.accepted_at, settings, lang)))
    facts.append((_say(lang, "word.id"), encode_id(work.number)))
    width = max(len(label) for label, _ in facts) + 2
    paragraphs.append("\n".join(f"  {label + ':':<{width}}{disarm(value)}" for label, value in facts))
    paragraphs.append(_wrapped(_say(lang, "word.close", postmaster=f"postmaster@{settings.domain}")))
    return "\n\n".join(paragraphs)


def _moment(at: float, settings: ReportSettings, lang: Lang) -> str:
    """Return a time as people of that language write it; the fields for programs have those of mail."""
    zone = timezone(timedelta(minutes=settings.offset_minutes)) if settings.offset_minutes else UTC
    return units.moment(Catalogue.load(), lang, at, zone)


def _one(
    reason: NoticeReason, settings: ReportSettings, explain: Explain, names: LimitNames, lang: Lang
) -> str:
    address = reason.recipient.address
    title = disarm(f"<{address}>")
    if reason.recipient.wanted:
        title += disarm(f" ({_say(lang, 'word.wanted', address=reason.recipient.wanted)})")
    lines = [title]
    outcome = reason.outcome
    if reason.limit is not None:
        lines += _limited(reason, settings, explain, names, lang)
    elif outcome is not None and reason.action in ("failed", "delayed"):
        said = outcome.reply
        host = Teller(Catalogue.load(), lang).host(outcome.host)
        sentence = explain(
            outcome.cause,
            lang,
            final=reason.action == "failed",
            recipient=str(address),
            domain=address.domain,
            host=host,
            reply=str(said) if said else "",
            detail=say_noted(outcome.detail, lang),
        )
        lines += _explained(reason, sentence, explain, lang)
        if said is not None:
            label = _say(lang, "word.said", host=host) if host else _say(lang, "word.said_somebody")
            # Word for word, and on a line of its own: it is what people copy and search for.
            lines += [f"  {disarm(label)}:", f'    "{disarm(str(said)[: settings.max_reply])}"']
        elif outcome.detail:
            lines.append(
                _wrapped(
                    disarm(
                        f"{_say(lang, 'word.detail')}: {say_noted(outcome.detail, lang)[: settings.max_reply]}"
                    ),
                    "  ",
                )
            )
        if outcome.possibly_delivered:
            lines.append(_wrapped(_say(lang, "word.twice"), "  "))
    elif _gave_up(reason):
        lines += _explained(reason, None, explain, lang)
    if reason.action == "delayed":
        clear_from = outcome.clear_from if outcome is not None else None
        when = (("next", reason.next_at), ("clear_from", clear_from), ("until", reason.give_up_at))
        lines += [
            f"  {_say(lang, f'word.{k}')}: {_moment(at, settings, lang)}" for k, at in when if at is not None
        ]
    return "\n".join(lines)


def _limited(
    reason: NoticeReason, settings: ReportSettings, explain: Explain, names: LimitNames, lang: Lang
) -> list[str]:
    """Return which limit it waits for, or waited for to the end: no attempt and no other server has to do with it."""
    assert reason.limit is not None
    wait, catalogue = names.told(reason.limit), Catalogue.load()
    if reason.action != "delayed":
        expired = explain(Cause.EXPIRED, lang, final=True, recipient=str(reason.recipient.address))
        return [_wrapped(disarm(f"{expired.what} {waited_words(catalogue, lang, wait)}"), "  ")]
    time = _moment(wait.free_at, settings, lang) if wait.free_at else ""
    return [_wrapped(disarm(wait_words(catalogue, lang, wait, time)), "  ")]


def _gave_up(reason: NoticeReason) -> bool:
    """Whether time ran out, rather than somebody saying no: then "come back later" helps nobody any more."""
    outcome = reason.outcome
    return reason.action == "failed" and (outcome is None or outcome.kind is OutcomeKind.DEFERRED)


def _explained(reason: NoticeReason, sentence: Sentence | None, explain: Explain, lang: Lang) -> list[str]:
    """Return what happened and what helps; where time ran out, that first, then what every attempt met."""
    what, todo = (sentence.what, sentence.todo) if sentence else ("", "")
    if _gave_up(reason):
        expired = explain(Cause.EXPIRED, lang, final=True, recipient=str(reason.recipient.address))
        what, todo = f"{expired.what} {what}".strip(), expired.todo
    lines = [_wrapped(disarm(what), "  ")]
    if todo:
        lines.append(_wrapped(f"{_say(lang, 'word.todo')}: {disarm(todo)}", "  "))
    return lines


def _wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(
        text,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
