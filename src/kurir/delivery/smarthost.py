"""Next hops as URLs: ``smtp://user:pass@host:port?tls=require``, ``smtps://``, ``lmtp://``, ``lmtp+unix:///path``.

The level of TLS that is not written down is the safest that can work: verified TLS where a password
travels, opportunistic otherwise, none on a unix socket.
"""

from dataclasses import replace
from urllib.parse import parse_qsl, unquote, urlsplit

from kurir.model.told import told

from .settings import NextHop, TlsLevel

# scheme -> (LMTP, implicit TLS, port without and with a user name)
_SCHEMES = {
    "smtp": (False, False, 25, 587),
    "smtps": (False, True, 465, 465),
    "lmtp": (True, False, 24, 24),
    "lmtp+unix": (True, False, 0, 0),
}


class SmarthostUrlError(ValueError):
    """The URL names no next hop: `str(error)` says what is wrong and what would be right."""


def parse_next_hop(url: str, *, login: tuple[str, str] | None = None) -> NextHop:
    """Return the next hop that `url` names; `login` (user name, password) takes the place of the one in it.

    Raises `SmarthostUrlError`; the password is never in its text.
    """
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    if scheme not in _SCHEMES:
        known = ", ".join(f"{name}://" for name in _SCHEMES)
        raise SmarthostUrlError(
            told(
                "a next hop begins with one of {known}, not with {value}",
                known=known,
                value=parts.scheme or "nothing",
            )
        )
    lmtp, implicit, plain_port, login_port = _SCHEMES[scheme]
    query = _query(parts.query)
    if parts.fragment:
        raise SmarthostUrlError(told("a # in the user name or password is written as %23"))
    if scheme == "lmtp+unix":
        if parts.netloc or not parts.path.startswith("/") or parts.path == "/":
            raise SmarthostUrlError(told("a unix socket is written as lmtp+unix:///path/to/socket"))
        level = query.get("tls", TlsLevel.NONE)
        if level is not TlsLevel.NONE:
            raise SmarthostUrlError(told("a unix socket has no TLS: leave out tls="))
        return NextHop(path=unquote(parts.path), lmtp=True, tls=TlsLevel.NONE, tls_chosen=True)
    if parts.path not in ("", "/"):
        raise SmarthostUrlError(
            told("nothing belongs behind the host and port, but there is {path!r}", path=parts.path)
        )
    if not parts.hostname:
        raise SmarthostUrlError(told("there is no host name behind {scheme}://", scheme=scheme))
    try:
        port = parts.port
    except ValueError:
        raise SmarthostUrlError(told("the port is a number from 1 to 65535")) from None
    if port == 0:
        raise SmarthostUrlError(told("the port is a number from 1 to 65535"))
    username, password = unquote(parts.username or ""), unquote(parts.password or "")
    if bool(username) != bool(password):
        raise SmarthostUrlError(
            told("a login has both, a user name and a password: smtp://user:password@host")
        )
    username, password = login or (username, password)
    hop = NextHop(
        host=parts.hostname.rstrip("."),
        port=port or (login_port if username else plain_port),
        implicit_tls=implicit,
        lmtp=lmtp,
        username=username,
        password=password,
        tls=TlsLevel.REQUIRE if implicit or username else TlsLevel.OPPORTUNISTIC,
    )
    if "tls" in query:
        hop = replace(hop, tls=query["tls"], tls_chosen=True)
    if implicit and hop.tls is TlsLevel.NONE:
        raise SmarthostUrlError(
            told("smtps:// is TLS from the first byte: tls=none contradicts it, use smtp://")
        )
    return hop


def _query(text: str) -> dict[str, TlsLevel]:
    found: dict[str, TlsLevel] = {}
    for key, value in parse_qsl(text, keep_blank_values=True):
        if key != "tls":
            raise SmarthostUrlError(
                told("{key!r} is unknown; only tls=none|opportunistic|require may follow the ?", key=key)
            )
        try:
            found[key] = TlsLevel(value.lower())
        except ValueError:
            raise SmarthostUrlError(
                told("tls={value} is unknown: none, opportunistic or require", value=value)
            ) from None
    return found
