"""An authority in memory that checks what RFC 8555 prescribes, for what Pebble cannot be made to do.

Signatures are verified with `cryptography` by hand, so that one library does not check itself.
"""

import json
from base64 import urlsafe_b64decode
from collections.abc import Generator
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from kurir.identity.acme import Ask, Publish, Rest, Said

BASE = "https://ca.test"


def unpadded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Authority:
    """`answer` is what it says to a step; `refuse` are problems for the next requests to a path."""

    def __init__(self, **meta: Any) -> None:
        self.meta = meta
        self.accounts: dict[str, dict[str, Any]] = {}
        self.nonces: set[str] = set()
        self.count = 0
        self.refuse: dict[str, list[Said]] = {}
        self.posted: list[tuple[str, Any]] = []
        self.window: dict[str, str] | None = None
        self.polls = 2  # looks until something is decided
        self.challenge_error: dict[str, Any] | None = None
        self.published: tuple[Any, ...] = ()
        self.rested = 0.0
        self.settled: dict[str, int] = {}

    def drive(self, talk: Generator[Any, Any, Any]) -> Any:
        """Do all steps of a conversation and return what comes of it."""
        answer = None
        while True:
            try:
                step = talk.send(answer)
            except StopIteration as end:
                return end.value
            answer = None
            if isinstance(step, Ask):
                answer = self.answer(step)
            elif isinstance(step, Rest):
                self.rested += step.seconds
            elif isinstance(step, Publish):
                self.published = step.proofs

    def answer(self, ask: Ask) -> Said:
        path = ask.url.removeprefix(BASE)
        if ask.method == "GET":
            if path == "/dir":
                return self._said(200, self._directory())
            return self._said(200, {"suggestedWindow": self.window}) if self.window else Said(404)
        if ask.method == "HEAD":
            return self._said(200)
        assert ask.body is not None
        body = json.loads(ask.body)
        head = json.loads(unpadded(body["protected"]))
        assert head["url"] == ask.url and head["alg"] == "ES256" and ("jwk" in head) != ("kid" in head)
        if head["nonce"] not in self.nonces:
            return self._problem(400, "badNonce")
        self.nonces.discard(head["nonce"])
        if self.refuse.get(path):
            return self._with_nonce(self.refuse[path].pop(0))
        if "kid" in head and head["kid"] not in self.accounts:
            return self._problem(400, "accountDoesNotExist")
        self._verify(body, head.get("jwk") or self.accounts[head["kid"]])
        payload = json.loads(unpadded(body["payload"])) if body["payload"] else None
        self.posted.append((path, payload))
        return self._post(path, payload, head)

    def _directory(self) -> dict[str, Any]:
        names = {"newNonce": "/nonce", "newAccount": "/acct", "newOrder": "/order"}
        found: dict[str, Any] = {k: BASE + v for k, v in names.items()}
        return {**found, "meta": self.meta, **({"renewalInfo": BASE + "/ari"} if self.window else {})}

    def _post(self, path: str, payload: Any, head: dict[str, Any]) -> Said:
        if path == "/acct":
            place = f"{BASE}/acct/{len(self.accounts)}"
            self.accounts[place] = head["jwk"]
            return self._said(201, {"status": "valid"}, location=place)
        if path == "/order":
            self.names = [i["value"] for i in payload["identifiers"]]
            return self._said(201, self._order("pending"), location=f"{BASE}/order/1")
        if path.startswith("/authz/"):
            return self._said(200, self._authorization(path))
        if path.startswith("/chall/"):
            assert payload == {}
            self.settled[path.replace("chall", "authz")] = 0
            return self._said(200, {"status": "processing"})
        if path == "/final":
            self.csr = unpadded(payload["csr"])
            return self._said(200, self._order("processing"), **{"retry-after": "3"})
        if path == "/order/1":
            done = self._decided("order")
            state = "valid" if hasattr(self, "csr") else "ready"
            return self._said(200, self._order(state if done else "pending"))
        assert path == "/cert", path
        return self._with_nonce(Said(200, b"-----CHAIN-----"))

    def _order(self, state: str) -> dict[str, Any]:
        places = [f"{BASE}/authz/{i}" for i in range(len(self.names))]
        found = {"status": state, "authorizations": places, "finalize": f"{BASE}/final"}
        return {**found, **({"certificate": f"{BASE}/cert"} if state == "valid" else {})}

    def _authorization(self, path: str) -> dict[str, Any]:
        number = path.rpartition("/")[2]
        state = "valid" if path in self.settled and self._decided(path) else "pending"
        kinds = ("http-01", "dns-01", "tls-alpn-01")
        challenges: list[dict[str, Any]] = [
            {"type": k, "token": f"tok-{number}", "url": f"{BASE}/chall/{number}", "status": state}
            for k in kinds
        ]
        if self.challenge_error and state == "valid":
            state, challenges[0]["error"] = "invalid", self.challenge_error
        name = {"type": "dns", "value": self.names[int(number)]}
        return {"status": state, "identifier": name, "challenges": challenges}

    def _decided(self, what: str) -> bool:
        self.settled[what] = self.settled.get(what, 0) + 1
        return self.settled[what] > self.polls

    def _verify(self, body: dict[str, str], jwk: dict[str, str]) -> None:
        x, y = (int.from_bytes(unpadded(jwk[k]), "big") for k in "xy")
        key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
        raw = unpadded(body["signature"])
        signature = encode_dss_signature(*(int.from_bytes(part, "big") for part in (raw[:32], raw[32:])))
        key.verify(signature, f"{body['protected']}.{body['payload']}".encode(), ec.ECDSA(hashes.SHA256()))

    def _problem(self, status: int, kind: str) -> Said:
        return self._with_nonce(problem(status, kind))

    def _said(self, status: int, document: Any = None, **headers: str) -> Said:
        return self._with_nonce(Said(status, json.dumps(document).encode(), tuple(headers.items())))

    def _with_nonce(self, said: Said) -> Said:
        self.count += 1
        self.nonces.add(str(self.count))
        return Said(said.status, said.body, (*said.headers, ("replay-nonce", str(self.count))))


def problem(status: int, kind: str, **more: Any) -> Said:
    """Return an answer that refuses."""
    headers = tuple((k.replace("_", "-"), more.pop(k)) for k in ("retry_after",) if k in more)
    document = {"type": f"urn:ietf:params:acme:error:{kind}", "detail": f"it is {kind}", **more}
    return Said(status, json.dumps(document).encode(), headers)
