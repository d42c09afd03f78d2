"""What the public doors answer: one pure function from a request to a response.

Port 80 serves the proofs of an authority (RFC 8555 section 8.3), and sends known pages on to https.  Port 443 serves the MTA-STS
policy (RFC 8461 section 3.3) and the settings for mail programs.  A host or page that is not configured is 404, whatever it is;
nothing that was asked is repeated in an answer, but the host and path of a page that we know.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .autoconfig import MailServers, asked_address, outlook, thunderbird

CHALLENGES = "/.well-known/acme-challenge/"
POLICY = "/.well-known/mta-sts.txt"
AUTOCONFIG = ("/mail/config-v1.1.xml", "/.well-known/autoconfig/mail/config-v1.1.xml")
AUTODISCOVER = "/autodiscover/autodiscover.xml"  # programs differ in its case
BODY_OCTETS = 16 * 1024  # of a request

_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Referrer-Policy", "no-referrer"),
)
# Only on hosts that exist for us alone: an operator's own web site may stand on the others.
_STRICT = ("Strict-Transport-Security", "max-age=31536000")
_OURS_ALONE = ("mta-sts.", "autoconfig.", "autodiscover.")
_POLICY_AGE = 3600  # seconds that a page may be kept; a policy is looked at anew at least once a day anyway


@dataclass(frozen=True, slots=True)
class Request:
    """`host` as the client names it (without a port), `path` without a query; `secure`: it came through TLS."""

    method: str
    host: str
    path: str
    secure: bool
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """What is answered; the server adds the length."""

    status: int
    body: bytes = b""
    kind: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What is served.

    `policies` are MTA-STS policies by domain; `mail` the domains whose programs are told `servers`; `challenge` returns what
    proves a token.  `https` says that there is a port 443 of ours to send people to.
    """

    hostname: str
    policies: Mapping[str, bytes] = field(default_factory=dict)
    mail: frozenset[str] = frozenset()
    servers: MailServers | None = None
    challenge: Callable[[str], str | None] = lambda _: None
    https: bool = True

    def answer(self, request: Request) -> Response:
        """Return what is said to a request."""
        if not request.secure and request.path.startswith(CHALLENGES):
            proof = self.challenge(request.path.removeprefix(CHALLENGES))
            if proof is not None:
                return _page(request, proof.encode("ascii"), "application/octet-stream", keep=0)
            return _none()
        found = self._page(request)
        if found is None:
            return _none()
        if not request.secure:
            return self._to_https(request)
        return found

    def _page(self, request: Request) -> Response | None:
        host, path = request.host.lower().rstrip("."), request.path
        under, _, domain = host.partition(".")
        if under == "mta-sts" and path == POLICY and domain in self.policies:
            return _page(request, self.policies[domain], "text/plain")
        if self.servers is None:
            return None
        if path in AUTOCONFIG:
            mine = domain if under == "autoconfig" else host
            return (
                _page(request, thunderbird(mine, self.servers), "text/xml; charset=utf-8")
                if mine in self.mail
                else None
            )
        if path.lower() == AUTODISCOVER:
            asked = (
                host in self.mail
                or host == self.hostname
                or (under == "autodiscover" and domain in self.mail)
            )
            return self._autodiscover(request, self.servers) if asked else None
        return None

    def _autodiscover(self, request: Request, servers: MailServers) -> Response:
        if request.method != "POST":
            return _with_headers(Response(405, b"POST\n", headers=(("Allow", "POST"),)), request.host)
        address = asked_address(request.body)
        if address is None or address.domain not in self.mail:
            return _none()
        return _with_headers(
            Response(200, outlook(address, servers), "text/xml; charset=utf-8"), request.host
        )

    def _to_https(self, request: Request) -> Response:
        if not self.https or request.method not in ("GET", "HEAD"):
            return _none()
        place = f"https://{request.host.lower().rstrip('.')}{request.path}"
        return Response(301, headers=(("Location", place), *_HEADERS))


def _page(request: Request, body: bytes, kind: str, *, keep: int = _POLICY_AGE) -> Response:
    if request.method not in ("GET", "HEAD"):
        return _with_headers(Response(405, b"GET\n", headers=(("Allow", "GET, HEAD"),)), request.host)
    cache = ("Cache-Control", f"max-age={keep}" if keep else "no-store")
    return _with_headers(Response(200, body, kind, (cache,)), request.host if request.secure else "")


def _with_headers(response: Response, host: str) -> Response:
    strict = (_STRICT,) if host.lower().startswith(_OURS_ALONE) else ()
    return Response(response.status, response.body, response.kind, (*response.headers, *_HEADERS, *strict))


def _none() -> Response:
    return Response(404, b"not here\n", headers=_HEADERS)
