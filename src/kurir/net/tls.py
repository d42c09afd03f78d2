"""TLS contexts for both roles, and what a finished handshake proved, in plain words.

Server: TLS 1.2 and later with the ciphers of Mozilla's *intermediate* profile, several certificates
chosen by SNI, replaced as a whole on reload so that live sessions keep theirs.  Some listeners ask clients for
a certificate too, without insisting.
Client: *opportunistic* takes any certificate but still judges it (the facts say what it would have
proved); *verified* lets OpenSSL refuse in the handshake.
"""

import contextlib
import hashlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from kurir.model import TlsFacts
from kurir.model.told import told

from .groups import limit_groups
from .pem import certificates
from .ports import NetError
from .settings import CertificateFiles, ClientTlsSettings, ClientTrust, ServerTlsSettings, TlsLevel
from .trust import Trust, is_issued_to_client, names_of, words_of_verify_code

# https://wiki.mozilla.org/Security/Server_Side_TLS "intermediate", without the finite-field DHE suites
_SERVER_CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)
# A weak certificate proves nothing where nothing is asked of it, and still keeps listeners out:
# refusing it would only push the mail into the clear (RFC 7435).
_OPPORTUNISTIC_CIPHERS = "DEFAULT:@SECLEVEL=1"


class CertificateError(Exception):
    """A certificate or key cannot be used; the text names the file, the reason and what to do."""


class ServerTls:
    """The certificates a listener shows.  `context` is the one in force; `reload` swaps it in one step."""

    def __init__(self, settings: ServerTlsSettings, clients: ClientTrust | None = None) -> None:
        if not settings.certificates:
            raise CertificateError(told("no certificate is configured"))
        self._settings = settings
        self._clients = clients
        self._stamps = self._stat()
        self._shelf = _load_all(settings.certificates, clients)

    @property
    def context(self) -> ssl.SSLContext:
        """The context for new handshakes."""
        return self._shelf.default

    @property
    def names(self) -> tuple[str, ...]:
        """The names the certificates are for."""
        return tuple(self._shelf.by_name)

    @property
    def not_after(self) -> float:
        """When the first of the certificates expires, seconds since the epoch."""
        return self._shelf.not_after

    @property
    def expiries(self) -> tuple[tuple[str, float], ...]:
        """The first name of each certificate, and when it expires."""
        return self._shelf.expiries

    def trust_clients(self, clients: ClientTrust) -> None:
        """Ask clients for certificates from now on, and take these.  Raises `CertificateError`."""
        if clients != self._clients:
            self._shelf = _load_all(self._settings.certificates, clients)
            self._clients = clients

    def is_from_authority(self, chain: tuple[bytes, ...]) -> bool:
        """Whether one of the authorities for clients issued this chain (DER, leaf first), now.

        Asked beside OpenSSL, for which every known certificate is an authority too: what one of those signed proves nothing.
        """
        authorities = self._clients.authorities if self._clients is not None else ()
        return bool(authorities) and is_issued_to_client(chain, authorities)

    def end_point(self, context: ssl.SSLContext) -> bytes | None:
        """Return the ``tls-server-end-point`` hash of the certificate that a context of ours shows."""
        return context.end_point if isinstance(context, _ServerContext) else None

    def changed(self) -> bool:
        """Tell whether a file is newer than what is in force (three or so `stat` calls)."""
        return self._stat() != self._stamps

    def reload(self, settings: ServerTlsSettings | None = None) -> None:
        """Read the files again.  Raises `CertificateError` and keeps the old ones in force."""
        wanted = settings or self._settings
        shelf = _load_all(wanted.certificates, self._clients)
        self._settings, self._shelf = wanted, shelf
        self._stamps = self._stat()

    def _stat(self) -> tuple[object, ...]:
        stamps: list[object] = []
        for files in self._settings.certificates:
            for path in (files.certificate, files.key):
                try:
                    stat = path.stat()
                    stamps.append((stat.st_mtime_ns, stat.st_ino, stat.st_size))
                except OSError:
                    stamps.append(None)
        return tuple(stamps)


class _ServerContext(ssl.SSLContext):
    """A context that knows the channel binding of its certificate, also after a reload took it out of force."""

    end_point: bytes | None = None


@dataclass(frozen=True, slots=True)
class _Shelf:
    """One generation of loaded certificates."""

    default: ssl.SSLContext
    by_name: dict[str, ssl.SSLContext]
    expiries: tuple[tuple[str, float], ...]

    @property
    def not_after(self) -> float:
        """When the first of them expires."""
        return min(at for _, at in self.expiries)

    def choose(self, name: str) -> ssl.SSLContext | None:
        """Find the context for a host name: exactly, else by the wildcard one label up (RFC 9525 section 6.3)."""
        wanted = name.lower().rstrip(".")
        found = self.by_name.get(wanted)
        return found or self.by_name.get("*." + wanted.partition(".")[2])


def _load_all(all_files: tuple[CertificateFiles, ...], clients: ClientTrust | None) -> _Shelf:
    loaded = [_load(files, clients) for files in all_files]
    by_name: dict[str, ssl.SSLContext] = {}
    for context, leaf in loaded:
        for name in names_of(leaf):
            by_name.setdefault(name.lower(), context)
    shelf = _Shelf(
        default=loaded[0][0],
        by_name=by_name,
        expiries=tuple(
            (next(iter(names_of(leaf)), str(files.certificate)), leaf.not_valid_after_utc.timestamp())
            for (_, leaf), files in zip(loaded, all_files, strict=True)
        ),
    )
    if len(loaded) > 1:

        def choose(session: ssl.SSLSocket | ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
            chosen = shelf.choose(name) if name else None
            if chosen is not None:
                session.context = chosen

        shelf.default.sni_callback = choose
    return shelf


def _load(files: CertificateFiles, clients: ClientTrust | None) -> tuple[ssl.SSLContext, x509.Certificate]:
    leaf = _read_leaf(files.certificate)
    if not files.key.exists():
        raise CertificateError(told("the key file {key} does not exist", key=files.key))
    context = _ServerContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_SERVER_CIPHERS)
    limit_groups(context)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.num_tickets = 1
    try:
        context.load_cert_chain(files.certificate, files.key, password=_no_password)
    except PermissionError as e:
        raise CertificateError(
            told("the key {key} may not be read by this user; check owner and mode", key=files.key)
        ) from e
    except ssl.SSLError as e:
        raise CertificateError(_words_of_load(e, files)) from e
    except (OSError, ValueError) as e:
        raise CertificateError(
            told(
                "{certificate} with {key} cannot be used: {why}",
                certificate=files.certificate,
                key=files.key,
                why=e,
            )
        ) from e
    if clients is not None:
        _ask_clients(context, clients)
    context.end_point = _end_point_hash(leaf, leaf.public_bytes(Encoding.DER))
    return context, leaf


def _ask_clients(context: ssl.SSLContext, clients: ClientTrust) -> None:
    taken = b"".join(sorted(clients.known) + list(clients.authorities))
    if not taken:
        return  # nobody could have one that is taken: do not ask
    context.verify_mode = ssl.CERT_OPTIONAL
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a known certificate is enough, whoever issued it
    context.load_verify_locations(cadata=taken)


def _no_password() -> str:
    raise ValueError(
        "the key is protected by a password; write it without one (openssl pkey -in old -out new)"
    )


def _read_leaf(path: Path) -> x509.Certificate:
    try:
        return certificates(path.read_bytes())[0]
    except FileNotFoundError as e:
        raise CertificateError(told("the certificate file {path} does not exist", path=path)) from e
    except PermissionError as e:
        raise CertificateError(
            told("the certificate {path} may not be read by this user; check owner and mode", path=path)
        ) from e
    except (OSError, ValueError) as e:
        raise CertificateError(
            told("{path} holds no certificate in PEM form: {why}", path=path, why=e)
        ) from e


def _words_of_load(error: ssl.SSLError, files: CertificateFiles) -> str:
    reason = error.reason or ""
    if "KEY_VALUES_MISMATCH" in reason or "KEY_TYPE_MISMATCH" in reason:
        return told(
            "the key {key} does not belong to the certificate {certificate}",
            key=files.key,
            certificate=files.certificate,
        )
    if "EE_KEY_TOO_SMALL" in reason or "MD_TOO_WEAK" in reason:
        return told(
            "the certificate {certificate} is too weak (RSA needs at least 2048 bits and SHA-256)",
            certificate=files.certificate,
        )
    return told(
        "the key {key} is not a private key in PEM form that fits {certificate} ({why})",
        key=files.key,
        certificate=files.certificate,
        why=reason or error,
    )


# -- client -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ClientTls:
    """A client context and whom it trusts; made by `ClientTlsFactory.level`."""

    level: TlsLevel
    context: ssl.SSLContext
    trust: Trust


class ClientTlsFactory:
    """Makes the client contexts once; `level(...)` hands them out.  Raises `CertificateError` for a bad CA file."""

    def __init__(self, settings: ClientTlsSettings, *, now: Callable[[], float]) -> None:
        try:
            trust = Trust(settings, now=now)
            self._by_level = {
                level: ClientTls(level, _client_context(level, trust), trust) for level in TlsLevel
            }
        except (OSError, ValueError, ssl.SSLError) as e:
            raise CertificateError(
                told("the file of trusted authorities cannot be used: {why}", why=e)
            ) from e

    def level(self, level: TlsLevel) -> ClientTls:
        """Return the context of a level."""
        return self._by_level[level]


def _client_context(level: TlsLevel, trust: Trust) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if level is TlsLevel.OPPORTUNISTIC:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_ciphers(_OPPORTUNISTIC_CIPHERS)
    else:
        context.hostname_checks_common_name = False  # only names of the kind DNS count (RFC 9525 section 2)
        trust.load_into(context)
    return context


# -- what a handshake proved ------------------------------------------------------------------


def session_facts(session: Any, secure: object, server_hostname: str | None) -> TlsFacts:
    """Describe a finished handshake.  `secure` is what it was made with, `server_hostname` None for a server."""
    version, cipher = session.version() or "", (session.cipher() or ("",))[0]
    if server_hostname is None:
        return TlsFacts(version, cipher)
    chain = peer_chain(session)
    if session.context.verify_mode is ssl.CERT_REQUIRED and session.context.check_hostname:
        return TlsFacts(version, cipher, "name", None, server_hostname)
    if not isinstance(secure, ClientTls):
        return TlsFacts(version, cipher, None, "the certificate was not looked at")
    judgement = secure.trust.judge(chain, server_hostname)
    return TlsFacts(
        version, cipher, None if judgement.why_not else "name", judgement.why_not, judgement.subject or None
    )


def peer_chain(session: Any) -> tuple[bytes, ...]:
    """Return the certificates the peer sent (DER, leaf first), verified or not."""
    chain = getattr(session, "get_unverified_chain", None)  # public since Python 3.13
    if chain is not None:
        return tuple(bytes(der) for der in chain() or ())
    inner = getattr(session, "_sslobj", None)
    with contextlib.suppress(AttributeError, ValueError):
        return tuple(ssl.PEM_cert_to_DER_cert(c.public_bytes()) for c in inner.get_unverified_chain() or ())  # type: ignore[union-attr]
    leaf = session.getpeercert(binary_form=True)
    return (leaf,) if leaf else ()


@dataclass(frozen=True, slots=True)
class ClientShown:
    """A certificate (DER) whose key a client proved to have; `by_authority`: one for clients issued it."""

    certificate: bytes
    by_authority: bool


def client_shown(session: Any, secure: object) -> ClientShown | None:
    """Return the client's certificate of a session with a server that asked for one."""
    if not isinstance(secure, ServerTls) or session.context.verify_mode is ssl.CERT_NONE:
        return None
    leaf = session.getpeercert(binary_form=True)
    return ClientShown(leaf, secure.is_from_authority(peer_chain(session))) if leaf else None


def server_end_point(session: Any, secure: object) -> bytes | None:
    """Return the ``tls-server-end-point`` binding of a session (RFC 5929 section 4)."""
    if isinstance(secure, ServerTls):
        return secure.end_point(session.context)
    der = session.getpeercert(binary_form=True)
    return _end_point_hash(x509.load_der_x509_certificate(der), der) if der else None


def _end_point_hash(certificate: x509.Certificate, der: bytes) -> bytes | None:
    algorithm = certificate.signature_hash_algorithm
    if algorithm is None:  # Ed25519 and its like: RFC 5929 leaves them undefined
        return None
    name = "sha256" if isinstance(algorithm, hashes.MD5 | hashes.SHA1) else algorithm.name
    return hashlib.new(name, der).digest()


# OpenSSL's reason -> words, both roles
_REASONS = {
    "WRONG_VERSION_NUMBER": "the other side answered with something that is not TLS",
    "HTTP_REQUEST": "the other side spoke HTTP",
    "UNSUPPORTED_PROTOCOL": "the other side offers no TLS version that is still safe (1.2 or later)",
    "TLSV1_ALERT_PROTOCOL_VERSION": "the other side refuses our TLS versions (1.2 and later)",
    "NO_SHARED_CIPHER": "no cipher is common to both sides",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "the other side found no common cipher or signature",
    "TLSV1_ALERT_UNKNOWN_CA": "the other side does not know the authority behind our certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "the other side says that our certificate has expired",
    "SSLV3_ALERT_BAD_CERTIFICATE": "the other side says that our certificate is bad",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "the other side does not accept our certificate",
    "UNEXPECTED_EOF_WHILE_READING": "the other side closed the connection in the middle of the handshake",
    "DH_KEY_TOO_SMALL": "the other side's Diffie-Hellman key is too small to be safe",
}


def describe_tls_error(error: Exception, name: str | None, timeout: float) -> NetError:
    """Turn a failed handshake into a `NetError` in words; `name` is the host we expected, None as the server."""
    if isinstance(error, ssl.SSLCertVerificationError):
        words = words_of_verify_code(error.verify_code, error.verify_message, name or "")
        return NetError("tls", f"the certificate does not prove the name {name}: {words}")
    if isinstance(error, ssl.SSLError):
        reason = error.reason or ""
        return NetError("tls", f"the TLS handshake failed: {_REASONS.get(reason) or reason or error}")
    if isinstance(error, ConnectionAbortedError) or (
        isinstance(error, OSError) and "SSL handshake" in str(error)
    ):
        return NetError("tls", f"the TLS handshake was not finished within {timeout:g} seconds")
    if isinstance(error, OSError):
        return NetError("tls", "the other side closed the connection in the middle of the TLS handshake")
    return NetError("tls", f"the TLS handshake could not be done: {error}")
