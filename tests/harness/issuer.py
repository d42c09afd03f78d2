"""A small real token issuer on loopback: keys (JWKS), introspection (RFC 7662), and tokens for refresh tokens (RFC 6749)."""

import json
import threading
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

AUDIENCE = "kurir"


class Issuer:
    """`url` is its name and address.  `asked` counts requests by path; `refreshed` are the forms of token requests."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.keys = [ECKey.generate_key("P-256", {"kid": "first", "use": "sig"})]
        self.asked: dict[str, int] = {}
        self.refreshed: list[dict[str, str]] = []
        self.refresh_token = "refresh-1"
        self.rotate = False
        self.life = 3600
        self.subject = "ana@example.test"
        self.bad: set[str] = set()  # tokens taken back
        self.given: dict[str, dict[str, Any]] = {}  # opaque tokens

    def claims(self, email: str, **more: Any) -> dict[str, Any]:
        now = int(time.time())
        usual = {
            "iss": self.url,
            "aud": AUDIENCE,
            "email": email,
            "iat": now,
            "exp": now + 600,
            "scope": "smtp",
        }
        return {k: v for k, v in {**usual, **more}.items() if v is not None}

    def token(self, email: str, **more: Any) -> str:
        key = self.keys[-1]
        return jwt.encode({"alg": "ES256", "kid": key.kid}, self.claims(email, **more), key)

    # -- what is asked -----------------------------------------------------------------------------------

    def get(self, path: str) -> tuple[int, Any]:
        if path == "/jwks":
            return 200, KeySet(list(self.keys)).as_dict(private=False)
        return 404, {}

    def post(self, path: str, form: dict[str, str], login: str) -> tuple[int, Any]:
        if path == "/introspect":
            if login != "kurir:s3cret/&":
                return 401, {"error": "invalid_client"}
            claims = self.given.get(form["token"])
            return 200, {"active": True, **claims} if claims else {"active": False}
        if path == "/token":
            self.refreshed.append(form)
            if form.get("refresh_token") != self.refresh_token or form.get("client_id") != "program":
                return 400, {"error": "invalid_grant", "error_description": "Token has been revoked."}
            said = {
                "access_token": self.token(self.subject, jti=str(len(self.refreshed))),
                "expires_in": self.life,
            }
            if self.rotate:
                self.refresh_token = said["refresh_token"] = f"refresh-{len(self.refreshed) + 1}"
            return 200, said
        return 404, {}


class _Handler(BaseHTTPRequestHandler):
    issuer: Issuer

    def do_GET(self) -> None:
        self._answer(*self.issuer.get(self.path))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        login = b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode()
        form = {k: v[0] for k, v in parse_qs(body).items()}
        self._answer(*self.issuer.post(self.path, form, ":".join(unquote(p) for p in login.split(":"))))

    def _answer(self, status: int, said: Any) -> None:
        self.issuer.asked[self.path] = self.issuer.asked.get(self.path, 0) + 1
        data = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def issuing() -> Iterator[Issuer]:
    """Run an issuer."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    issuer = Issuer(server.server_address[1])
    server.RequestHandlerClass = type("Handler", (_Handler,), {"issuer": issuer})
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
