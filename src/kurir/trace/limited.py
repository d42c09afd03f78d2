"""What mail waits for in words: a limit of others, or that the other side is spared; and why that is no failure."""

from kurir.model import LimitFacts

from .explain import Catalogue, Lang, say_noted, units

_WARM_UP = "warm-up"
_HELLO = "EHLO"


def limit_words(catalogue: Catalogue, lang: Lang, limit: dict[str, object]) -> str:
    """Return a limit as people say it: ``2,000 messages a day``, ``25.0 MB a message, as sent``."""
    value, per = limit["value"], catalogue.text(lang, f"limit.per.{limit['per']}")
    assert isinstance(value, int)
    if limit["unit"] == "octets":
        key = "limit.size" if limit.get("encoded", True) else "limit.size_attachments"
        return catalogue.text(lang, key, size=units.size(catalogue, lang, value), per=per)
    unit = catalogue.text(lang, f"limit.{'unit_of_one' if value == 1 else 'unit'}.{limit['unit']}")
    words = catalogue.text(lang, "limit.what", value=units.number(catalogue, lang, value), unit=unit, per=per)
    if limit.get("id") == _WARM_UP:
        return catalogue.text(lang, "limit.warm_up", limit=words, day=limit["note"])
    return words


def learnt_words(catalogue: Catalogue, lang: Lang, limit: dict[str, object]) -> str:
    """Return when and from which words a limit was learnt."""
    key = "limit.learnt_hello" if limit["source"] == _HELLO else "limit.learnt_reply"
    return catalogue.text(lang, key, seen=limit["seen"], said=limit["source"])


def awaited(catalogue: Catalogue, lang: Lang, wait: LimitFacts) -> str:
    """Return whose limit mail waits for, and what it allows, in few words; or who is spared."""
    if wait.limit is None:
        return cause_words(catalogue, lang, wait)
    return f"{wait.label}: {limit_words(catalogue, lang, wait.limit)}"


def cause_words(catalogue: Catalogue, lang: Lang, wait: LimitFacts) -> str:
    """Return why mail waits: whose limit it is, what it allows, how much is used; or who is spared."""
    return _because(catalogue, lang, wait, "limit.wait", "limit.spared")


def wait_words(catalogue: Catalogue, lang: Lang, wait: LimitFacts, time: str) -> str:
    """Return why mail waits, who says so, and when it goes (`time`, "" where only the end of a delivery can tell)."""
    moment = "limit.landing" if not time else "limit.not_before" if wait.not_before else "limit.goes"
    return f"{cause_words(catalogue, lang, wait)} {catalogue.text(lang, moment, time=time)}"


def waited_words(catalogue: Catalogue, lang: Lang, wait: LimitFacts) -> str:
    """Return what mail waited for until its time was over."""
    return _because(catalogue, lang, wait, "limit.waited", "limit.was_spared")


def _because(catalogue: Catalogue, lang: Lang, wait: LimitFacts, limited: str, spared: str) -> str:
    if wait.limit is None:
        return catalogue.text(lang, spared, label=wait.label)
    said = _said(catalogue, lang, wait.limit)
    kept = {"reserve": units.number(catalogue, lang, wait.reserve)} if wait.reserve else {}
    return catalogue.text(
        lang,
        f"{limited}_reserve" if kept else limited,
        label=wait.label,
        limit=limit_words(catalogue, lang, wait.limit) + (f" {said}" if said else ""),
        used=units.number(catalogue, lang, wait.used),
        stop=units.number(catalogue, lang, wait.stop + wait.reserve),
        **kept,
    )


def _said(catalogue: Catalogue, lang: Lang, limit: dict[str, object]) -> str:
    """Return who says so, as far as that is anything for a sender to read."""
    if limit.get("id") == _WARM_UP:
        return catalogue.text(lang, "limit.warm_source")
    if limit.get("confidence") == "operator":  # its source is a file of this server
        return catalogue.text(lang, "limit.operator")
    if limit.get("confidence") == "learnt":
        return f"({learnt_words(catalogue, lang, limit)})"
    if limit.get("source"):
        return catalogue.text(
            lang, "limit.source", source=say_noted(str(limit["source"]), lang), seen=limit["seen"]
        )
    return ""
