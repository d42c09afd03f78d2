"""``docs/reference/atlas.md`` from the shipped files: each limit of each provider and receiver with its source and date."""

from markdown import code, page, table

from kurir.config import load_atlas
from kurir.limits import Includes, Limit, Receiver, Smarthost, Unit

COLUMNS = ("limit", "counted", "plan", "beyond it", "source", "seen", "confidence")


def whole() -> str:
    """Return the page."""
    atlas = load_atlas()
    intro = (
        "What Kurir knows of the limits of others. *Confidence*: `read` in the source, `reported` by a third party, `remembered` and not checked, "
        "`assumed` where nobody publishes a figure. Limits of messages, recipients and connections are kept by the queue; mail is refused for its "
        "size only where the size was read or you say so. A figure is wrong, or yours is another: "
        "[put it into a file of your own](../how-to/limits.md). What stands behind a source is the note of a limit (`note`, in Indonesian `note_id`): "
        "`kurir limits` and `kurir road add` show it in the reader's language."
    )
    parts: list[str | list[str]] = [intro, "## Providers that send for us"]
    for service in sorted(atlas.smarthosts, key=lambda s: s.name):
        parts += _entry(service)
    parts.append("## Receivers, by their mail hosts")
    for receiver in sorted(atlas.receivers, key=lambda r: r.name):
        parts += _entry(receiver)
    return page("The atlas", *parts)


def _entry(entry: Smarthost | Receiver) -> list[str | list[str]]:
    hosts = ", ".join(code(h) for h in entry.hosts[:4]) + (" …" if len(entry.hosts) > 4 else "")
    facts = [f"hosts {hosts}" if hosts else "found only where a road names it"]
    if isinstance(entry, Smarthost):
        facts += [f"logins at {', '.join(code(x) for x in entry.logins)}"] if entry.logins else []
        doors = [f"{a.port} {a.tls} ({', '.join(a.auth)})" for a in entry.access]
        facts += [f"ports {'; '.join(doors)}"] if doors else []
        facts += [_included(entry.spf)] if entry.spf else []
        facts += [f"plan {code(entry.assumed)} where none is named"] if entry.assumed else []
    elif entry.tls:
        facts.append("TLS required")
    parts: list[str | list[str]] = [f"### {entry.label} ({code(entry.name)})", "; ".join(facts) + "."]
    if entry.limits:
        parts.append(table(COLUMNS, [_row(x) for x in entry.limits]))
    return parts


def _included(spf: Includes) -> str:
    return (
        f"in SPF records {code('include:' + spf.names[0])} ({spf.source}; {spf.seen}, {spf.confidence.value})"
    )


def _row(x: Limit) -> tuple[str, ...]:
    value = f"{x.value:,} {x.unit.value.replace('_', ' ')}"
    if x.unit is Unit.OCTETS:
        value += "" if x.encoded else " of attachments"
    source = x.source + (f"; {x.note}" if x.note else "")
    return (
        value,
        f"per {x.per.value}, by {x.scope.value}",
        x.plan,
        x.beyond.value,
        source,
        x.seen,
        x.confidence.value,
    )
