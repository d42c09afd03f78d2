"""[oauth], oauth of roads, client certificates and further certificates: what is taken, what is refused, what it becomes."""

import json
from pathlib import Path

import pytest

from kurir.app.wiring import roads, settings
from kurir.app.wiring.secrets import with_secrets
from kurir.config import Config, ConfigError, load
from kurir.config.load import parse
from kurir.delivery import TlsLevel

SERVER = {"server": {"hostname": "mail.example.org"}}
OAUTH = {"issuer": "https://i.example", "audience": ["mail"], "jwks": "https://i.example/keys"}
ROAD = {"name": "r", "url": "smtp://smtp.gmail.com:587", "username": "a@example.org"}
CLIENT = {"client_id": "p", "refresh_token_file": "/x"}


def made(**sections: object) -> Config:
    return parse({**SERVER, **sections}, "test")


WRONG = {
    "no way to check": ({"oauth": {**OAUTH, "jwks": None}}, "either jwks or introspection"),
    "two ways": ({"oauth": {**OAUTH, "introspection": "https://i.example/i"}}, "either jwks or introspection"),
    "no audience": ({"oauth": {**OAUTH, "audience": []}}, "at least 1"),
    "in the clear": ({"oauth": {**OAUTH, "jwks": "http://i.example/keys"}}, "cannot be asked"),
    "another scheme": ({"oauth": {**OAUTH, "jwks": "file:///etc/passwd"}}, "cannot be asked"),
    "shared secrets": ({"oauth": {**OAUTH, "algorithms": ["HS256"]}}, "must be one of"),
    "none": ({"oauth": {**OAUTH, "algorithms": ["none"]}}, "must be one of"),
    "a road without provider": ({"roads": [{**ROAD, "oauth": CLIENT}]}, "token_url is missing"),
    "a token address in the clear": (
        {"roads": [{**ROAD, "oauth": {**CLIENT, "token_url": "http://p.example/t"}}]}, "cannot be asked",
    ),
    "an authority for nobody": ({"submission": {"client_ca": "/ca.pem"}}, "no effect"),
    "half a certificate": ({"tls": {"certificates": [{"certificate": "/a"}]}}, "is missing"),
}  # fmt: skip


@pytest.mark.parametrize(("sections", "why"), WRONG.values(), ids=WRONG)
def test_mistakes(sections: dict[str, object], why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        made(**sections)
    assert why in str(caught.value)


def test_what_it_becomes(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    (tmp_path / "refresh").write_text("consent\n")
    (tmp_path / "kurir.toml").write_text(
        f"""
[server]
hostname = "mail.example.org"
[tls]
certificate = "a.pem"
key = "a.key"
[[tls.certificates]]
certificate = "b.pem"
key = "b.key"
[submission]
client_certificates = true
client_ca = "clients.pem"
scram_plus = false
[oauth]
issuer = "https://i.example"
audience = ["mail"]
jwks = "keys.json"
client_secret_file = "secret"
[[roads]]
name = "gmail"
url = "smtp://smtp.gmail.com:587"
username = "a@example.org"
oauth = {{ provider = "gmail", client_id = "p", refresh_token_file = "refresh" }}
senders = ["example.org"]
[[roads]]
name = "m365"
url = "smtp://smtp.office365.com:587?tls=opportunistic"
username = {json.dumps("b@example.net")}
oauth = {{ provider = "microsoft", client_id = "p", refresh_token_file = "refresh" }}
"""
    )
    config, mistakes = with_secrets(load(tmp_path / "kurir.toml", {}))
    assert [m.where for m in mistakes] == []
    shown = [(f.certificate.name, f.key.parent) for f in settings.server_tls(config).certificates]
    assert shown == [("a.pem", tmp_path), ("b.pem", tmp_path)]
    oauth = settings.oauth(config)
    assert oauth is not None
    assert (oauth.jwks, oauth.client_secret) == (str(tmp_path / "keys.json"), "s3cret")
    gmail, m365 = roads.delivery(config).routes
    assert gmail.next_hop.oauth.token_url == "https://oauth2.googleapis.com/token"
    assert gmail.next_hop.oauth.refresh_token == "consent"
    assert gmail.tls is gmail.next_hop.tls is TlsLevel.REQUIRE  # a login goes to who proved its name
    assert m365.next_hop.oauth.scope == "https://outlook.office.com/SMTP.Send offline_access"
    assert m365.tls is TlsLevel.OPPORTUNISTIC  # somebody wrote that down


def test_doors_ask_for_certificates_only_where_accounts_log_in() -> None:
    listen = {"submission": [":587"], "submissions": [":465"], "smtp": [":25"], "lmtp": [":24"]}
    config = made(submission={"client_certificates": True, "scram_plus": False}, listen=listen)
    assert all(
        "SCRAM-SHA-256-PLUS" not in d.listener.mechanisms for d in settings.doors(config) if d.listener.auth
    )
    asks = {d.listener.name: d.listener.client_certificates for d in settings.doors(config)}
    assert asks == {"submission": True, "submissions": True, "mx": False, "lmtp": False, "local": False}
