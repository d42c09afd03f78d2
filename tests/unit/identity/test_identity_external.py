"""Client certificates: registered keys, the authority's addresses, and the bearer and EXTERNAL mechanisms as tables of turns."""

import json
import time
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from tests.harness.clientcerts import Made, make

from kurir.identity import (
    Account,
    AccountError,
    add_certificate,
    certificate_owner,
    peer_certificate,
    remove_certificate,
)
from kurir.identity.sasl import (
    Bearer,
    Challenge,
    Failure,
    NeedsCertificate,
    NeedsToken,
    SaslContext,
    begin,
)
from kurir.identity.sasl.bearer_client import choose_bearer

NOW = time.time()


def account(name: str, *also: str) -> Account:
    return Account(name, (name, *also), "")


def found(made: Made | None, *accounts: Account, by_authority: bool = False, now: float = NOW):
    peer = peer_certificate(made.der, by_authority=by_authority) if made else None
    owners = {address: a for a in accounts for address in a.addresses}
    return certificate_owner(peer, accounts, owners.get, now)


def test_a_registered_key_is_its_account_also_renewed(tmp_path) -> None:
    made = make(tmp_path, "laptop")
    ana, stored = add_certificate(
        account("ana@x.example"), made.pem.read_text(), others=(), now=NOW, label=" home "
    )
    assert (stored.label, stored.der) == ("home", made.der)
    assert found(made, account("b@x.example"), ana).account is ana
    renewed = make(tmp_path, "renewed", key=made.key)
    assert found(renewed, ana).account is ana
    assert "not registered" in found(make(tmp_path, "other"), ana).reason
    assert "expired" in found(made, ana, now=NOW + 31 * 86400).reason
    assert "no certificate" in found(None, ana).reason


def test_an_authoritys_certificate_is_who_it_names(tmp_path) -> None:
    ca = make(tmp_path, "ca", ca=True)
    ana, ben = account("ana@x.example", "a@x.example"), account("ben@x.example")
    assert (
        found(make(tmp_path, "1", issuer=ca, email="A@x.example"), ana, ben, by_authority=True).account is ana
    )
    assert found(make(tmp_path, "2", issuer=ca, email="a@x.example"), ana, ben).account is None
    assert (
        "no account"
        in found(make(tmp_path, "3", issuer=ca, email="z@x.example"), ana, by_authority=True).reason
    )
    assert "no account" in found(make(tmp_path, "4", issuer=ca), ana, by_authority=True).reason


def test_registering(tmp_path) -> None:
    made = make(tmp_path, "laptop")
    ana, stored = add_certificate(account("ana@x.example"), made.pem.read_text(), others=(), now=NOW)
    assert stored.label == "CN=laptop"
    for pem, others, why in (
        (made.pem.read_text(), (ana,), "registered already, for ana"),
        ("nonsense", (), "no certificate"),
        (made.key_pem.read_text(), (), "it is a private key, which stays with its owner"),
        ("-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n", (), "it is a request"),
        ("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", (), "is damaged"),
        (make(tmp_path, "old", from_days=-9, days=-1).pem.read_text(), (), "expired on"),
    ):
        with pytest.raises(AccountError, match=why):
            add_certificate(account("ben@x.example"), pem, others=others, now=NOW)
    for which in (
        "CN=laptop",
        stored.key[:8].upper(),
        ":".join(stored.key[i : i + 2] for i in range(0, 64, 2)),
    ):
        assert remove_certificate(ana, which)[0].certificates == ()
    for which in ("CN=other", stored.key[:7], ""):
        with pytest.raises(AccountError, match="names 0 certificates"):
            remove_certificate(ana, which)


def test_a_damaged_certificate_is_none() -> None:
    assert peer_certificate(b"0\x03\x02\x01\x01", by_authority=True) is None


CONTEXT = SaslContext({}.get, b"s" * 32, bytes, token_scope="smtp", token_configuration="https://i.example/x")
TURNS = [
    ("EXTERNAL", [b""], NeedsCertificate("")),
    ("EXTERNAL", [None, b"ana@x.example"], NeedsCertificate("ana@x.example")),
    ("EXTERNAL", [b"\xff"], Failure),
    ("EXTERNAL", [b"a\0b"], Failure),
    ("EXTERNAL", [b"x" * 1025], Failure),
    ("OAUTHBEARER", [b"n,a=ana@x.example,\x01host=h\x01port=587\x01auth=Bearer tok.en-_~+/==\x01\x01"],
     NeedsToken("ana@x.example", "tok.en-_~+/==")),
    ("OAUTHBEARER", [b"n,,\x01auth=bearer t\x01\x01"], NeedsToken("", "t")),
    ("OAUTHBEARER", [None, b"y,a=a=2Cb=3D,\x01auth=Bearer t\x01\x01"], NeedsToken("a,b=", "t")),
    ("OAUTHBEARER", [b"p=tls-unique,,\x01auth=Bearer t\x01\x01"], Failure),
    ("OAUTHBEARER", [b"n,,\x01auth=Bearer t\x01"], Failure),
    ("OAUTHBEARER", [b"n,,\x01auth=Basic t\x01\x01"], Failure),
    ("OAUTHBEARER", [b"n,,\x01auth=Bearer \x01\x01"], Failure),
    ("OAUTHBEARER", [b"n,,\x01auth=Bearer t t\x01\x01"], Failure),
    ("OAUTHBEARER", [b"n,,\x01host=x\x01\x01"], Failure),
    ("OAUTHBEARER", [b"n,,\x01auth=Bearer " + b"t" * 9000 + b"\x01\x01"], Failure),
    ("OAUTHBEARER", [b""], Failure),
    ("OAUTHBEARER", [b"\xff,,\x01auth=Bearer t\x01\x01"], Failure),
    ("XOAUTH2", [b"user=ana@x.example\x01auth=Bearer t\x01\x01"], NeedsToken("ana@x.example", "t")),
    ("XOAUTH2", [b"user=\x01auth=Bearer t\x01\x01"], Failure),
    ("XOAUTH2", [b"user=ana@x.example\x01auth=Bearer t"], Failure),
    ("XOAUTH2", [b"user=ana@x.example\x01\x01"], Failure),
    ("XOAUTH2", [b"\xff\x01\x01"], Failure),
]  # fmt: skip


@pytest.mark.parametrize(("mechanism", "says", "end"), TURNS)
def test_turns(mechanism: str, says: list[bytes | None], end: object) -> None:
    server = begin(mechanism, CONTEXT)
    step = server.start(says[0])
    for said in says[1:]:
        assert isinstance(step, Challenge)
        assert said is not None
        step = server.answer(said)
    assert step == end or (isinstance(end, type) and isinstance(step, end))


@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
def test_a_refused_token_is_explained_and_ends_in_failure(mechanism: str) -> None:
    client = choose_bearer([mechanism.lower()], "ana,=@x.example", "tok", host="h.example", port=587)
    assert client is not None
    server = begin(mechanism, CONTEXT)
    assert isinstance(server, Bearer)
    assert server.start(client.start()) == NeedsToken("ana,=@x.example", "tok")
    said = server.refusal("insufficient_scope", "why it is so")
    if mechanism == "OAUTHBEARER":
        wanted = {
            "status": "insufficient_scope",
            "scope": "smtp",
            "openid-configuration": "https://i.example/x",
        }
    else:
        wanted = {"status": "403", "schemes": "bearer", "scope": "smtp"}
    assert json.loads(said) == wanted
    last = client.answer(said)
    assert last == (b"\x01" if mechanism == "OAUTHBEARER" else b"")
    assert server.answer(last) == Failure("why it is so", "ana,=@x.example")
    assert client.problem == wanted["status"]


def test_a_certificate_is_stored_whole(tmp_path) -> None:
    made = make(tmp_path, "x")
    chain = made.pem.read_text() + make(tmp_path, "issuer").pem.read_text()
    ana, stored = add_certificate(account("a@x.example"), chain, others=(), now=NOW)
    assert stored.der == made.certificate.public_bytes(Encoding.DER)
    assert replace(ana, certificates=()) == account("a@x.example")
