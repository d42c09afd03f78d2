"""What never became a message, in words: refused recipients, failed logins, dropped connections.

JSON of an observation::

    {"at", "kind", "text", "client", "listener", "helo", "account", "sender", "recipient", "cause", "what",
     "todo", "reply": {"code", "enhanced", "lines"} | null, "detail", "count", "protection"}
"""

from datetime import UTC, tzinfo

from kurir.model import Observation

from .explain import Catalogue, Lang, say_noted, units
from .story_json import reply_json
from .telling import Teller
from .timeline import protection_of


def observation_text(observation: Observation, lang: Lang, zone: tzinfo = UTC) -> str:
    """Return what was seen, why, and what we said, in one line of plain words."""
    catalogue = Catalogue.load()
    parts = [_seen(observation, Teller(catalogue, lang, zone))]
    if observation.cause is not None:
        sentence = _sentence(observation, catalogue, lang)
        parts.append(sentence[0])
    if observation.detail:
        parts.append(catalogue.text(lang, "observed.detail", detail=_detail(observation, lang)) + ".")
    if observation.reply is not None:
        parts.append(
            f"{catalogue.text(lang, 'observed.we_said')} {catalogue.fill(lang, '{reply}', {'reply': observation.reply})}"
        )
    return " ".join(parts)


def observation_json(observation: Observation, lang: Lang) -> dict[str, object]:
    """Return an observation as plain values with the keys of this module's docstring."""
    catalogue = Catalogue.load()
    what, todo = _sentence(observation, catalogue, lang) if observation.cause else ("", "")
    return {
        "at": units.iso(observation.at),
        "kind": observation.kind.value,
        "text": _seen(observation, Teller(catalogue, lang)),
        "client": observation.client,
        "listener": observation.listener,
        "helo": observation.helo,
        "account": observation.account,
        "sender": observation.sender,
        "recipient": observation.recipient,
        "cause": observation.cause.value if observation.cause else None,
        "what": what,
        "todo": todo,
        "reply": reply_json(observation.reply),
        "detail": observation.detail,
        "count": observation.count,
        "protection": protection_of(observation.tls).value,
    }


def _seen(observation: Observation, teller: Teller) -> str:
    text = teller.say(
        f"observation.{observation.kind.value}",
        client=observation.client,
        account=observation.account,
        sender="<>" if observation.sender == "" else observation.sender,
        recipient=observation.recipient,
    )
    if observation.count > 1:
        text = f"{text} ({teller.say('observed.times', count=observation.count)})"
    return text


def _sentence(observation: Observation, catalogue: Catalogue, lang: Lang) -> tuple[str, str]:
    assert observation.cause is not None
    sentence = catalogue.explain_cause(
        observation.cause,
        lang,
        host=catalogue.text(lang, "side.our_server"),
        recipient=observation.recipient,
        sender=observation.sender,
        account=observation.account,
        detail=_detail(observation, lang),
        domain=observation.recipient.rpartition("@")[2],
    )
    return sentence.what, sentence.todo


def _detail(observation: Observation, lang: Lang) -> str:
    return say_noted(observation.detail.rstrip("."), lang)
