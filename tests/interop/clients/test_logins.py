"""Logins by certificate, by token and by app password, with msmtp, gsasl, curl and Python's smtplib; and OAuth towards a smarthost."""

import json
import smtplib
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.harness import PATIENCE
from tests.harness.clientcerts import Made, make
from tests.harness.issuer import AUDIENCE, Issuer, issuing
from tests.harness.kurir import Kurir
from tests.interop.servers.peer import program

from .programs import run, words

pytestmark = pytest.mark.interop

ANA = "ana@example.test"
BEN = "ben@example.test"
LETTER = b"Subject: hello\n\nA letter.\n"


@dataclass
class House:
    """One server for the whole file."""

    kurir: Kurir
    issuer: Issuer
    passwords: dict[str, str]
    laptop: Made
    authority: Made
    folder: Path

    def app(self, label: str, *options: str) -> str:
        made = self.kurir.cli("user", "password", "add", ANA, label, "--json", *options).stdout
        return str(json.loads(made)["password"])

    def observed(self, text: str, *, of: str = "127.0.0.1") -> list[str]:
        """What the trace says of logins from there, waiting for an observation that has `text` in it."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            said = self.kurir.cli("trace", of, "--json", check=None).stdout
            found = [f"{o['kind']} {o['account']} {o['detail']}" for o in json.loads(said)["observations"]]
            if any(text in line for line in found):
                return found
            time.sleep(0.1)
        raise AssertionError(f"no observation has {text!r}: {found}")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("logins")
    authority = make(folder, "authority", ca=True)
    laptop = make(folder, "laptop")
    with issuing() as issuer:
        toml = f"""
[submission]
client_certificates = true
client_ca = "{authority.pem}"

[oauth]
issuer = "{issuer.url}"
audience = ["{AUDIENCE}"]
jwks = "{issuer.url}/jwks"
scope = "smtp"
"""
        kurir = Kurir(folder / "k", toml=toml)
        passwords = {}
        for name in (ANA, BEN):
            passwords[name] = json.loads(kurir.cli("user", "add", name, "--json").stdout)["password"]
        kurir.cli("user", "cert", "add", ANA, str(laptop.pem), "--label", "laptop")
        with kurir:
            yield House(kurir, issuer, passwords, laptop, authority, folder)


def msmtp(
    house: House, home: Path, *lines: str, sender: str = ANA, check: int | None = 0, door: str = "submission"
):
    starttls = "on" if door == "submission" else "off"
    config = [
        "account default", "host localhost", f"port {getattr(house.kurir, door)}", f"from {sender}",
        "tls on", f"tls_starttls {starttls}", f"tls_trust_file {house.kurir.ca}", *lines,
    ]  # fmt: skip
    file = home / "msmtprc"
    file.write_text("\n".join(config) + "\n")
    file.chmod(0o600)
    return run([program("msmtp"), "-d", "-C", file, BEN], stdin=LETTER, home=home, check=check)


def by_certificate(made: Made, user: str = ANA) -> list[str]:
    # without a user msmtp 1.8.23 never answers the challenge
    return ["auth external", f"user {user}", f"tls_cert_file {made.pem}", f"tls_key_file {made.key_pem}"]


# -- certificates ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("door", ["submission", "submissions"])
def test_msmtp_logs_in_with_a_registered_certificate(house: House, tmp_path: Path, door: str) -> None:
    done = msmtp(house, tmp_path, *by_certificate(house.laptop), door=door)
    assert "AUTH EXTERNAL" in words(done)
    assert f"login {ANA} EXTERNAL" in house.observed("EXTERNAL")


def test_msmtp_with_a_certificate_of_the_authority(house: House, tmp_path: Path) -> None:
    bens = make(tmp_path, "ben", email=BEN, issuer=house.authority)
    msmtp(house, tmp_path, *by_certificate(bens, BEN), sender=BEN)
    assert f"login {BEN} EXTERNAL" in house.observed(BEN)
    assert "553 5.7.1" in words(msmtp(house, tmp_path, *by_certificate(bens, BEN), sender=ANA, check=None))
    asked = msmtp(house, tmp_path, *by_certificate(bens, ANA), check=None)
    assert "535 5.7.8" in words(asked)


def test_a_registered_certificate_cannot_issue_others(house: House, tmp_path: Path) -> None:
    """`openssl req -x509` makes certificates that may sign: what one signs in another's name is worth nothing."""
    rogue = make(tmp_path, "rogue", ca=True)
    house.kurir.cli("user", "cert", "add", BEN, str(rogue.pem), "--label", "rogue")
    fake = make(tmp_path, "fake", email=ANA, issuer=rogue)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:  # the server takes notice within seconds
        done = msmtp(house, tmp_path, *by_certificate(rogue, BEN), sender=BEN, check=None)
        if done.returncode == 0:
            break
        time.sleep(0.3)
    assert done.returncode == 0, words(done)
    chain = tmp_path / "chain.pem"
    chain.write_bytes(fake.pem.read_bytes() + rogue.pem.read_bytes())
    fake.pem = chain
    assert "535 5.7.8" in words(msmtp(house, tmp_path, *by_certificate(fake), check=None))
    house.kurir.cli("user", "cert", "remove", BEN, "rogue")
    assert msmtp(house, tmp_path, *by_certificate(rogue, BEN), sender=BEN, check=None).returncode != 0


def test_external_is_offered_to_those_who_showed_one(house: House) -> None:
    for made in (None, house.laptop):
        context = ssl.create_default_context(cafile=house.kurir.ca)
        if made is not None:
            context.load_cert_chain(made.pem, made.key_pem)
        with smtplib.SMTP("localhost", house.kurir.submission) as smtp:
            assert "auth" not in (smtp.ehlo() and smtp.esmtp_features)
            smtp.starttls(context=context)
            smtp.ehlo()
            offered = smtp.esmtp_features["auth"].split()
            assert ("EXTERNAL" in offered) == (made is not None)
            assert {"OAUTHBEARER", "XOAUTH2", "SCRAM-SHA-256-PLUS", "PLAIN"} <= set(offered)
            if made is None:
                assert smtp.docmd("AUTH", "EXTERNAL =")[0] == 504
            else:
                assert smtp.docmd("AUTH", "EXTERNAL =")[0] == 235
        with smtplib.SMTP("localhost", house.kurir.smtp) as mx:  # other servers are asked for nothing
            mx.starttls(context=context)
            mx.ehlo()
            assert "auth" not in mx.esmtp_features


def test_a_strangers_certificate_does_not_get_past_the_handshake(house: House, tmp_path: Path) -> None:
    stranger = make(tmp_path, "stranger", email=ANA)
    assert msmtp(house, tmp_path, *by_certificate(stranger), check=None).returncode != 0


# -- tokens --------------------------------------------------------------------------------------------------


def by_token(mechanism: str, token: str, user: str = ANA) -> list[str]:
    return [f"auth {mechanism}", f"user {user}", f"password {token}"]


@pytest.mark.parametrize("mechanism", ["oauthbearer", "xoauth2"])
def test_msmtp_logs_in_with_a_token(house: House, tmp_path: Path, mechanism: str) -> None:
    msmtp(house, tmp_path, *by_token(mechanism, house.issuer.token(ANA)))
    assert f"login {ANA} {mechanism.upper()}" in house.observed(mechanism.upper())
    for token, user in ((house.issuer.token(BEN), ANA), (house.issuer.token("x@y.example"), "x@y.example"),
                        (house.issuer.token(ANA, scope="imap"), ANA), ("nonsense", ANA)):  # fmt: skip
        refused = msmtp(house, tmp_path, *by_token(mechanism, token, user), check=None)
        assert "535 5.7.8" in words(refused)
    assert any("not for who asked" in line for line in house.observed("not for who asked"))


def test_curl_logs_in_with_a_token(house: House, tmp_path: Path) -> None:
    (tmp_path / "letter").write_bytes(f"From: {ANA}\r\n".encode() + LETTER.replace(b"\n", b"\r\n"))
    command = [
        program("curl"), "-sS", "-v", f"smtps://localhost:{house.kurir.submissions}", "--cacert", house.kurir.ca,
        "--user", ANA, "--oauth2-bearer", house.issuer.token(ANA),
        "--mail-from", ANA, "--mail-rcpt", BEN, "--upload-file", "letter",
    ]  # fmt: skip
    done = run(command, home=tmp_path)
    assert "AUTH OAUTHBEARER" in words(done)
    assert "accepted, safe on disk" in words(done)


# -- app passwords -------------------------------------------------------------------------------------------


def test_app_passwords_with_msmtp_and_gsasl(house: House, tmp_path: Path) -> None:
    password = house.app("printer", "--sender", ANA, "--network", "127.0.0.0/8", "--expires", "1d")
    login = [f"user {ANA}", f"password {password}"]
    for mechanism in ("plain", "login", "scram-sha-256"):
        msmtp(house, tmp_path, f"auth {mechanism}", *login)
        assert f"login {ANA} {mechanism.upper()}, app password printer" in house.observed("printer")
    gsasl(house, tmp_path, "SCRAM-SHA-256", password, "--no-cb")
    gsasl(house, tmp_path, "PLAIN", password)
    gsasl(house, tmp_path, "SCRAM-SHA-256", house.passwords[ANA], "--no-cb")
    house.kurir.cli("user", "password", "revoke", ANA, "printer")
    assert "535 5.7.8" in words(msmtp(house, tmp_path, "auth plain", *login, check=None))


def gsasl(house: House, home: Path, mechanism: str, password: str, *more: str) -> None:
    server = f"localhost:{house.kurir.submission}"
    command = [
        program("gsasl"), "--client", "--smtp", "--connect", server, "-m", mechanism, "-a", ANA, "-p", password,
        f"--x509-ca-file={house.kurir.ca}", "--verbose", *more,
    ]  # fmt: skip
    assert "Client authentication finished" in words(run(command, home=home))


def test_an_app_password_from_elsewhere_or_for_less(house: House) -> None:
    elsewhere = house.app("office", "--network", "192.0.2.0/24")
    context = ssl.create_default_context(cafile=house.kurir.ca)
    with smtplib.SMTP_SSL("localhost", house.kurir.submissions, context=context) as smtp:
        with pytest.raises(smtplib.SMTPAuthenticationError, match="does not work from your network"):
            smtp.login(ANA, elsewhere)
    listed = json.loads(house.kurir.cli("user", "password", "list", ANA, "--json").stdout)
    assert {p["label"]: p["networks"] for p in listed["app_passwords"]}["office"] == ["192.0.2.0/24"]
    assert elsewhere not in json.dumps(listed)
    refused = house.kurir.cli("user", "password", "add", ANA, "x", "--sender", BEN, check=None)
    assert refused.returncode == 1
    assert b"never more" in refused.stderr


# -- towards a smarthost -------------------------------------------------------------------------------------


def test_oauth_towards_a_smarthost(house: House, tmp_path: Path) -> None:
    """The house itself is the provider."""
    issuer = house.issuer
    toml = f"""
[net]
ca_file = "{house.kurir.ca}"

[[roads]]
name = "provider"
url = "smtp://localhost:{house.kurir.submission}"
username = "{ANA}"
oauth = {{ token_url = "{issuer.url}/token", client_id = "program", refresh_token_file = "refresh" }}
"""
    client = Kurir(tmp_path / "c", domain="client.test", playground=False, toml=toml)
    (client.folder / "refresh").write_text("refresh-1\n")
    with client:
        sent = client.cli("send", "--from", ANA, "--to", BEN, "--subject", "x", stdin="x\n").stdout.decode()
        story = told(client, sent.split()[-1], '"handed_over"')
    assert [form["refresh_token"] for form in issuer.refreshed] == ["refresh-1"]
    kept = client.folder / "tokens" / "provider.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert f"login {ANA} OAUTHBEARER" in house.observed(
        "OAUTHBEARER", of="::1" if "localhost[::1]" in story else "127.0.0.1"
    )


def told(kurir: Kurir, number: str, text: str, *, seconds: float = PATIENCE) -> str:
    """Wait until the trace of a message has `text`."""
    end = time.monotonic() + seconds
    said = ""
    while time.monotonic() < end:
        said = kurir.cli("trace", number, "--json").stdout.decode()
        if text in said:
            return said
        time.sleep(0.2)
    raise AssertionError(f"no {text!r} in {said}\n{kurir.said()[-3000:]}")
