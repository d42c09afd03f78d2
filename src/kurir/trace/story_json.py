"""A timeline as plain values with stable keys, for ``--json`` and the HTTP API.

A timeline::

    {"id", "number", "lang", "accepted_at", "from", "to": [..], "subject", "message_id", "size",
     "account", "client", "protocol", "protection", "protection_text", "tls", "summary": [..],
     "checks": [{"method", "result", "text"}, ..],              # what was found out about a stranger who sent it
     "history": [step, ..],                                     # what concerns the whole message
     "recipients": [{"index", "address", "wanted", "state", "fate", "cause", "what", "side", "side_text",
                     "next", "todo", "summary", "next_at", "held", "attempts", "possibly_delivered",
                     "history": [step, ..], "notices": [step, ..]}]}

A step::

    {"at", "kind", "text", "result", "cause", "fate", "stage", "host", "road", "protection", "tls",
     "reply": {"code", "enhanced", "lines"} | null, "detail", "decided_by", "possibly_delivered",
     "plaintext_fallback", "seconds", "next_at", "by", "reason", "other"}

Keys are always there; what is not known is null or "".  Times are RFC 3339 in UTC.
"""

from kurir.model import Reply, TlsFacts, encode_id

from .explain import Catalogue, Lang, side_of, units
from .telling import Teller
from .timeline import RecipientStory, Step, Timeline


def as_json(timeline: Timeline, lang: Lang) -> dict[str, object]:
    """Return the timeline as plain values with the keys of this module's docstring."""
    teller = Teller(Catalogue.load(), lang)
    message, origin = timeline.message, timeline.message.origin
    return {
        "id": encode_id(message.number),
        "number": message.number,
        "lang": lang,
        "accepted_at": units.iso(message.accepted_at),
        "from": str(message.reverse_path) if message.reverse_path else "",
        "to": [str(r.address) for r in message.recipients],
        "subject": message.subject,
        "message_id": message.message_id,
        "size": message.size,
        "account": origin.account,
        "client": origin.client,
        "protocol": origin.protocol,
        "protection": timeline.protection.value,
        "protection_text": teller.arrival(timeline),
        "tls": _tls_json(origin.tls),
        "summary": [teller.summary(story) for story in timeline.recipients],
        "checks": [
            {"method": check.method, "result": check.result, "text": teller.check(check)}
            for step in timeline.common
            for check in step.checks
        ],
        "history": [_step_json(teller, step, timeline) for step in timeline.common],
        "recipients": [_story_json(teller, story, timeline) for story in timeline.recipients],
    }


def _story_json(teller: Teller, story: RecipientStory, timeline: Timeline) -> dict[str, object]:
    sentence = teller.sentence(story)
    facts = story.facts
    return {
        "index": facts.index,
        "address": str(facts.address),
        "wanted": str(facts.wanted) if facts.wanted else None,
        "state": story.state.value,
        "fate": facts.fate.value if facts.fate else None,
        "cause": story.cause.value if story.cause else None,
        "what": sentence.what if sentence else "",
        "side": side_of(story.cause).value if story.cause else None,
        "side_text": sentence.side if sentence else "",
        "next": sentence.next if sentence else "",
        "todo": sentence.todo if sentence else "",
        "summary": teller.summary(story),
        "next_at": units.iso(story.next_at) if story.next_at is not None else None,
        "held": facts.held,
        "attempts": facts.attempts,
        "possibly_delivered": story.possibly_delivered,
        "history": [_step_json(teller, step, timeline) for step in story.steps],
        "notices": [_step_json(teller, step, timeline) for step in story.notices],
    }


def _tls_json(tls: TlsFacts | None) -> dict[str, str | None] | None:
    if tls is None:
        return None
    return {
        "version": tls.version,
        "cipher": tls.cipher,
        "verified": tls.verified,
        "why_not": tls.why_not,
        "policy": tls.policy,
    }


def _step_json(teller: Teller, step: Step, timeline: Timeline) -> dict[str, object]:
    return {
        "at": units.iso(step.at),
        "kind": step.kind.value,
        "text": teller.step(step, timeline),
        "result": step.result.value if step.result else None,
        "cause": step.cause.value if step.cause else None,
        "fate": step.fate.value if step.fate else None,
        "stage": step.stage.value if step.stage else None,
        "host": step.host,
        "road": step.road,
        "protection": step.protection.value if step.protection else None,
        "tls": _tls_json(step.tls),
        "reply": reply_json(step.reply),
        "detail": step.detail,
        "decided_by": step.decided_by.value if step.decided_by else None,
        "possibly_delivered": step.possibly_delivered,
        "plaintext_fallback": step.plaintext_fallback,
        "seconds": round(step.seconds, 3),
        "next_at": units.iso(step.next_at) if step.next_at is not None else None,
        "by": step.by,
        "reason": step.reason,
        "other": encode_id(step.other) if step.other is not None else None,
    }


def reply_json(reply: Reply | None) -> dict[str, object] | None:
    """Return a reply as plain values, its words untouched."""
    if reply is None:
        return None
    return {"code": reply.code, "enhanced": reply.enhanced, "lines": list(reply.lines)}
