"""The conversation with an authority: account, order, proofs, certificate (RFC 8555 section 7).

Its methods are generators of steps (`Talk`).  A refused nonce is asked again (section 6.5), an account that the authority has
forgotten is made anew, an authorization that still holds is not proven again.
"""

from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from kurir.model.told import told

from .errors import AcmeError, kind_of, refused, words_of
from .jws import AccountKey
from .renewal import Window
from .settings import (
    MAX_AUTHORIZATIONS,
    NONCE_TRIES,
    POLL_FIRST,
    POLL_MOST,
    AcmeSettings,
    Challenge,
)
from .steps import Ask, Proof, Publish, Rest, Said, Talk

Document = dict[str, Any]
_PENDING = frozenset({"pending", "processing"})


class AcmeClient:
    """Talks with one authority.  `account` is our address there, "" until it is known."""

    def __init__(self, settings: AcmeSettings, key: AccountKey, account: str = "") -> None:
        self._settings = settings
        self._key = key
        self._directory: Document = {}
        self._nonce = ""
        self.account = account

    # -- what can be wanted ---------------------------------------------------------------------

    def order(self, names: Sequence[str], request: bytes, replaces: str = "") -> Talk[bytes]:
        """Have a certificate for `names` by a PKCS #10 `request`; return its chain (PEM).

        `replaces` names the certificate that it takes over from (RFC 9773 section 5).  Raises `AcmeError`.
        """
        if not self.account:
            yield from self.register()
        try:
            made = yield from self._new_order(names, replaces)
        except AcmeError as e:
            if e.kind != "accountDoesNotExist":
                raise
            yield from self.register()  # the authority has forgotten us
            made = yield from self._new_order(names, replaces)
        order, place = made
        yield from self._prove(order)
        order = yield from self._until(place, order, {"ready", "valid"}, told("the order"))
        if order["status"] == "ready":
            csr = {"csr": urlsafe_b64encode(request).rstrip(b"=").decode()}
            said = yield from self._post(_url(order, "finalize"), csr)
            order = yield from self._until(place, _document(said), {"valid"}, told("the certificate"), said)
        said = yield from self._post(_url(order, "certificate"), None)
        return said.body

    def register(self) -> Talk[str]:
        """Make our account there, or find it by its key; return its address.  Raises `AcmeError`."""
        directory = yield from self._look_up()
        url = _url(directory, "newAccount")
        found = directory.get("meta")
        meta = found if isinstance(found, dict) else {}
        terms = meta.get("termsOfService")
        if terms and not self._settings.agreed:
            raise AcmeError(
                told(
                    "the authority has terms of service: read {terms}, then set agree = true under [tls.acme]",
                    terms=terms,
                )
            )
        external = self._settings.external
        if meta.get("externalAccountRequired") is True and external is None:
            raise AcmeError(
                told(
                    "the authority takes known customers only: set eab_key_id and eab_key_file under [tls.acme]"
                )
            )
        wanted: Document = {"termsOfServiceAgreed": True}
        if self._settings.contact:
            wanted["contact"] = [f"mailto:{self._settings.contact}"]
        if external is not None:
            wanted["externalAccountBinding"] = self._key.bind(url, external)
        self.account = ""
        said = yield from self._post(url, wanted)
        self.account = said.header("location")
        if not self.account:
            raise AcmeError(told("the authority does not say where our account is"))
        return self.account

    def window(self, renewal_id: str) -> Talk[Window | None]:
        """Return when the authority wants a certificate renewed; None where it does not say (RFC 9773 section 4)."""
        directory = yield from self._look_up()
        place = directory.get("renewalInfo")
        if not isinstance(place, str) or not renewal_id:
            return None
        said = yield Ask("GET", f"{place.rstrip('/')}/{renewal_id}")
        if said is None or said.status != 200:
            return None
        try:
            window = _document(said)["suggestedWindow"]
            start, end = (datetime.fromisoformat(window[k]).timestamp() for k in ("start", "end"))
        except (KeyError, TypeError, ValueError, AcmeError):
            return None
        return Window(start, end) if start < end else None

    # -- an order -------------------------------------------------------------------------------

    def _new_order(self, names: Sequence[str], replaces: str) -> Talk[tuple[Document, str]]:
        directory = yield from self._look_up()
        wanted: Document = {"identifiers": [{"type": "dns", "value": name} for name in names]}
        knows_renewal = replaces and "renewalInfo" in directory
        try:
            said = yield from self._post(
                _url(directory, "newOrder"), {**wanted, "replaces": replaces} if knows_renewal else wanted
            )
        except AcmeError as e:
            if not knows_renewal or e.kind not in ("alreadyReplaced", "malformed", "unauthorized"):
                raise  # else it was replaced before, or comes from elsewhere: that is no reason to have none
            said = yield from self._post(_url(directory, "newOrder"), wanted)
        place = said.header("location")
        if not place:
            raise AcmeError(told("the authority does not say where the order is"))
        return _document(said), place

    def _prove(self, order: Document) -> Talk[None]:
        """Prove each name that is not proven yet: publish all, let it settle, have all looked at."""
        places = order.get("authorizations")
        if not isinstance(places, list) or len(places) > MAX_AUTHORIZATIONS:
            raise AcmeError(told("the order of the authority cannot be understood"))
        wanted: list[tuple[str, Document, str, Proof]] = []
        for place in map(str, places):
            authorization = _document((yield from self._post(place, None)))
            if authorization.get("status") == "pending":
                url, proof = self._proof(authorization)
                wanted.append((place, authorization, url, proof))
            elif authorization.get("status") != "valid":
                raise _not_proven(authorization)
        if not wanted:
            return
        yield Publish(tuple(proof for _, _, _, proof in wanted))
        if self._settings.settle:
            yield Rest(self._settings.settle)
        for _, _, url, _ in wanted:
            yield from self._post(url, {})
        for place, authorization, _, proof in wanted:
            yield from self._until(place, authorization, {"valid"}, proof.name)

    def _proof(self, authorization: Document) -> tuple[str, Proof]:
        kind = self._settings.challenge
        name = _name(authorization)
        offered = [c for c in authorization.get("challenges") or () if isinstance(c, dict)]
        chosen = next((c for c in offered if c.get("type") == kind.value), None)
        if chosen is None:
            kinds = ", ".join(sorted(str(c.get("type")) for c in offered))
            raise AcmeError(
                told(
                    "{name} cannot be proven by {challenge}; the authority offers {kinds}",
                    name=name,
                    challenge=kind.value,
                    kinds=kinds or "-",
                )
            )
        token = str(chosen.get("token", ""))
        if not token or not token.replace("-", "").replace("_", "").isalnum() or len(token) > 200:
            raise AcmeError(told("the order of the authority cannot be understood"))
        value = self._key.authorization(token) if kind is Challenge.HTTP else self._key.record(token)
        return _url(chosen, "url"), Proof(kind, name, token, value)

    def _until(
        self, place: str, document: Document, wanted: set[str], what: str, said: Said | None = None
    ) -> Talk[Document]:
        """Look again and again until something has one of the states; `said` is where `document` is from."""
        waited, pause = 0.0, POLL_FIRST
        while document.get("status") not in wanted:
            if document.get("status") not in (*_PENDING, "ready"):
                raise _not_proven(document)
            if waited >= self._settings.patience:
                raise AcmeError(
                    told(
                        "{what}: the authority has not decided in {seconds:.0f} seconds",
                        what=what,
                        seconds=waited,
                    )
                )
            rest = min(max((said.retry_after if said else 0.0) or pause, POLL_FIRST), POLL_MOST)
            yield Rest(rest)
            waited, pause = waited + rest, min(pause * 1.5, POLL_MOST)
            said = yield from self._post(place, None)
            document = _document(said)
        return document

    # -- requests -------------------------------------------------------------------------------

    def _look_up(self) -> Talk[Document]:
        if not self._directory:
            said = yield Ask("GET", self._settings.directory)
            if said is None or said.status != 200:
                raise refused(self._settings.directory, said.status if said else 0, _problem(said))
            directory = _document(said)
            for needed in ("newNonce", "newAccount", "newOrder"):
                _url(directory, needed)
            self._directory = directory
        return self._directory

    def _post(self, url: str, payload: Document | None) -> Talk[Said]:
        """Ask with our signature; None is POST-as-GET (RFC 8555 section 6.3).  Raises `AcmeError` for refusals."""
        body = b"" if payload is None else msgspec.json.encode(payload)
        for _ in range(NONCE_TRIES):
            if not self._nonce:
                yield from self._new_nonce()
            nonce, self._nonce = self._nonce, ""
            said = yield Ask("POST", url, self._key.sign(url, nonce, body, self.account))
            assert said is not None
            self._nonce = said.header("replay-nonce")
            if 200 <= said.status < 300:
                return said
            problem = _problem(said)
            if kind_of(problem) != "badNonce":
                raise refused(url, said.status, problem, said.retry_after)
        raise AcmeError(told("the authority takes none of its own nonces"), "badNonce")

    def _new_nonce(self) -> Talk[None]:
        directory = yield from self._look_up()
        said = yield Ask("HEAD", _url(directory, "newNonce"))
        self._nonce = said.header("replay-nonce") if said is not None else ""
        if not self._nonce:
            raise AcmeError(told("the authority gives no nonce"))


def _document(said: Said) -> Document:
    try:
        found = msgspec.json.decode(said.body)
    except msgspec.DecodeError:
        found = None
    if not isinstance(found, dict):
        raise AcmeError(told("what the authority says is no JSON"))
    return found


def _problem(said: Said | None) -> Mapping[str, Any]:
    try:
        return _document(said) if said is not None else {}
    except AcmeError:
        return {}


def _url(document: Document, key: str) -> str:
    value = document.get(key)
    if not isinstance(value, str) or "://" not in value:
        raise AcmeError(told("the authority does not say where {what} is", what=key))
    return value


def _name(authorization: Document) -> str:
    identifier = authorization.get("identifier")
    return str(identifier.get("value", "")) if isinstance(identifier, dict) else ""


def _not_proven(document: Document) -> AcmeError:
    """Say why an authorization or an order came to nothing: the error of its challenge, or its own (section 7.1.4)."""
    failed = [c for c in document.get("challenges") or () if isinstance(c, dict) and "error" in c]
    problem = failed[0]["error"] if failed else document.get("error")
    problem = problem if isinstance(problem, dict) else {}
    name = _name(document)
    words = words_of(problem) or str(document.get("status"))
    return AcmeError(
        told("{name} was not proven: {why}", name=name, why=words)
        if name
        else told("the authority gives no certificate: {why}", why=words),
        kind_of(problem),
    )
