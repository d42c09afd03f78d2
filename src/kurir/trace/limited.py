"""A limit of others in words: what it allows, and why mail that waits for it is no failure."""

from kurir.model import LimitFacts

from .explain import Catalogue, Lang, units


def limit_words(catalogue: Catalogue, lang: Lang, limit: dict[str, object]) -> str:
    """Return a limit as people say it: ``2,000 messages a day``, ``25.0 MB a message, as it travels``."""
    value, per = limit["value"], catalogue.text(lang, f"limit.per.{limit['per']}")
    assert isinstance(value, int)
    if limit["unit"] == "octets":
        key = "limit.size" if limit.get("encoded", True) else "limit.size_attachments"
        return catalogue.text(lang, key, size=units.size(catalogue, lang, value), per=per)
    unit = catalogue.text(lang, f"limit.unit.{limit['unit']}")
    return catalogue.text(lang, "limit.what", value=units.number(catalogue, lang, value), unit=unit, per=per)


def cause_words(catalogue: Catalogue, lang: Lang, wait: LimitFacts) -> str:
    """Return why mail waits: whose limit it is, what it allows, how much is used."""
    return catalogue.text(lang, "limit.wait", **_values(catalogue, lang, wait))


def wait_words(catalogue: Catalogue, lang: Lang, wait: LimitFacts, time: str) -> str:
    """Return why mail waits, who says so, and when it goes (`time`, "" where only the end of a delivery can tell)."""
    moment = "limit.landing" if not time else "limit.not_before" if wait.not_before else "limit.goes"
    return f"{cause_words(catalogue, lang, wait)} {catalogue.text(lang, moment, time=time)}"


def waited_words(catalogue: Catalogue, lang: Lang, wait: LimitFacts) -> str:
    """Return what mail waited for until its time was over."""
    return catalogue.text(lang, "limit.waited", **_values(catalogue, lang, wait))


def _values(catalogue: Catalogue, lang: Lang, wait: LimitFacts) -> dict[str, object]:
    said = ""
    if (
        wait.limit.get("confidence") == "operator"
    ):  # its source is a file of this server: nothing for a sender to read
        said = " " + catalogue.text(lang, "limit.operator")
    elif wait.limit.get("source"):
        said = " " + catalogue.text(
            lang, "limit.source", source=wait.limit["source"], seen=wait.limit["seen"]
        )
    return {
        "label": wait.label,
        "limit": limit_words(catalogue, lang, wait.limit) + said,
        "used": units.number(catalogue, lang, wait.used),
        "stop": units.number(catalogue, lang, wait.stop),
    }
