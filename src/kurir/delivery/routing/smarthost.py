"""Next hops as URLs: ``smtp://user:pass@host:port?tls=require``, ``smtps://``, ``lmtp://``, ``lmtp+unix:///path``.

The level of TLS that is not written down is the safest that can work: verified TLS where a password
travels, opportunistic otherwise, none on a unix socket.
"""

from dataclasses import replace
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from kurir.delivery.settings import NextHop, TlsLevel
from kurir.model.told import told

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
    if parts.scheme not in _SCHEMES:
        known = ", ".join(f"{name}://" for name in _SCHEMES)
        raise SmarthostUrlError(
            told(
                "a next hop begins with one of {known}, not with {value}",
                known=known,
                value=parts.scheme or "nothing",
            )
        )
    query = _query(parts.query)
    if parts.fragment:
        raise SmarthostUrlError(told("a # in the user name or password is written as %23"))
    if parts.scheme == "lmtp+unix":
        return _socket(parts, query)
    lmtp, implicit, plain_port, login_port = _SCHEMES[parts.scheme]
    host, port = _place(parts)
    said = _login(parts)
    username, password = login or said
    hop = NextHop(
        host=host,
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


def _socket(parts: SplitResult, query: dict[str, TlsLevel]) -> NextHop:
    if parts.netloc or not parts.path.startswith("/") or parts.path == "/":
        raise SmarthostUrlError(told("a unix socket is written as lmtp+unix:///path/to/socket"))
    if query.get("tls", TlsLevel.NONE) is not TlsLevel.NONE:
        raise SmarthostUrlError(told("a unix socket has no TLS: leave out tls="))
    return NextHop(path=unquote(parts.path), lmtp=True, tls=TlsLevel.NONE, tls_chosen=True)


def _place(parts: SplitResult) -> tuple[str, int | None]:
    """Return host and port; no port where none is named."""
    if parts.path not in ("", "/"):
        raise SmarthostUrlError(
            told("nothing belongs behind the host and port, but there is {path!r}", path=parts.path)
        )
    if not parts.hostname:
        raise SmarthostUrlError(told("there is no host name behind {scheme}://", scheme=parts.scheme))
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise SmarthostUrlError(told("the port is a number from 1 to 65535"))
    return parts.hostname.rstrip("."), port


def _login(parts: SplitResult) -> tuple[str, str]:
    """Return user name and password, both or neither."""
    username, password = unquote(parts.username or ""), unquote(parts.password or "")
    if bool(username) != bool(password):
        raise SmarthostUrlError(
            told("a login has both, a user name and a password: smtp://user:password@host")
        )
    return username, password


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
