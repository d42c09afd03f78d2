"""Certificates from a real authority (Pebble), seen with other people's eyes: curl, openssl, smtplib."""

import shutil
import smtplib
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509

from tests.harness import PATIENCE
from tests.harness.dns import Names
from tests.harness.kurir import Kurir
from tests.harness.pebble import Pebble, pebble

pytestmark = pytest.mark.interop
HOST, DOMAIN = "mail.example.test", "example.test"
NAMES = {n: {"A": ["127.0.0.1"]} for n in (HOST, DOMAIN, f"mta-sts.{DOMAIN}", f"autoconfig.{DOMAIN}")}


@dataclass
class Stage:
    """A server that has its certificate from an authority."""

    kurir: Kurir
    authority: Pebble
    names: Names

    @property
    def leaf(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate((self.kurir.folder / "tls" / "server.pem").read_bytes())

    def curl(self, url: str, *more: str) -> subprocess.CompletedProcess[str]:
        """Ask for a page by its name, as the world does."""
        host = url.split("/")[2]
        command = ["curl", "-sS", "--cacert", str(self.authority.root()), *more, url]
        for port in (80, 443):
            command += ["--connect-to", f"{host}:{port}:127.0.0.1:{port + self.kurir.offset}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
        print(done.stderr)  # shown where a test fails
        return done


def configure(folder: Path, authority_of: str, names: Names, more: str = "") -> Kurir:
    kurir = Kurir(folder, domain=DOMAIN)
    text = kurir.config.read_text().replace(f'hostname = "{DOMAIN}"', f'hostname = "{HOST}"')
    kurir.config.write_text(f'{text}\n[net]\nresolvers = ["{names.address}"]\n{authority_of}{more}')
    return kurir


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("acme")
    with Names(NAMES) as names:
        kurir = configure(folder / "kurir", "", names)
        with pebble(folder / "pebble", names.address, kurir.http) as authority:
            text = kurir.config.read_text().replace("[net]\n", f'[net]\nca_file = "{authority.ca}"\n')
            kurir.config.write_text(
                f'{text}\n[tls.acme]\ndirectory = "{authority.directory}"\nagree = true\n'
                f'contact = "postmaster@{DOMAIN}"\n'
            )
            with kurir:
                kurir.wait("a certificate", lambda: kurir.ask("cert", "status")["self_made"] is False)
                stage = Stage(kurir, authority, names)
                kurir.wait(
                    "the certificate at the door", lambda: stage.curl(f"https://{HOST}/").returncode == 0
                )
                yield stage


def test_the_first_certificate_keeps_the_key(stage: Stage) -> None:
    status = stage.kurir.json("cert", "status")
    assert set(status["names"]) == {HOST, f"mta-sts.{DOMAIN}", f"autoconfig.{DOMAIN}"}
    assert "Pebble" in status["issuer"] and status["failures"] == 0
    assert status["from"] < status["renew_at"] < status["until"]
    key = (stage.kurir.folder / "tls" / "server.key").read_bytes()
    assert stage.leaf.public_key() == ssl_key(key).public_key()


def ssl_key(pem: bytes):
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return load_pem_private_key(pem, None)


def test_a_session_that_is_open_survives_the_renewal(stage: Stage) -> None:
    kurir, before = stage.kurir, stage.leaf
    tlsa = kurir.json("cert", "status")["tlsa"]
    context = ssl.create_default_context(cafile=stage.authority.root())
    with smtplib.SMTP("127.0.0.1", kurir.smtp, timeout=PATIENCE) as open_one:
        open_one._host = HOST  # the name that is asked for
        open_one.starttls(context=context)
        assert kurir.json("cert", "renew")["ordered"] == ""  # nothing is due
        assert kurir.json("cert", "order")["ordered"] == "asked"
        assert stage.leaf.serial_number != before.serial_number

        def shown() -> int:
            done = subprocess.run(
                ["openssl", "s_client", "-connect", f"127.0.0.1:{kurir.smtp}", "-starttls", "smtp",
                 "-servername", HOST, "-CAfile", str(stage.authority.root()), "-verify_return_error",
                 "-verify_hostname", HOST],
                input=b"QUIT\r\n", capture_output=True, timeout=PATIENCE,
            )  # fmt: skip
            assert b"Verify return code: 0 (ok)" in done.stdout, done.stdout[-2000:] + done.stderr
            pem = done.stdout[done.stdout.index(b"-----BEGIN") :]
            return x509.load_pem_x509_certificate(pem).serial_number

        kurir.wait("the new certificate at the door", lambda: shown() == stage.leaf.serial_number)
        assert open_one.noop()[0] == 250
        assert (
            open_one.sendmail(f"a@{DOMAIN}", [f"postmaster@{DOMAIN}"], b"Subject: still here\r\n\r\nyes\r\n")
            == {}
        )
    assert kurir.json("cert", "status")["tlsa"] == tlsa  # the key was kept: so TLSA records stay right


def test_the_key_rolls_over_only_when_its_record_is_seen(stage: Stage) -> None:
    kurir, names = stage.kurir, stage.names
    place = f"_25._tcp.{HOST}"
    old = kurir.json("cert", "status")["tlsa"]
    names.zone[place] = {"TLSA": [old]}
    coming = kurir.json("cert", "roll")["next_tlsa"]
    assert coming != old and kurir.json("cert", "roll")["next_tlsa"] == coming
    shown = [r["value"] for r in kurir.json("dns", DOMAIN)["records"] if r["type"] == "TLSA"]
    assert shown == [old, coming]
    assert kurir.json("cert", "renew")["ordered"] == ""
    names.zone[place] = {"TLSA": [old, coming]}
    kurir.wait("the next key to take over", lambda: kurir.json("cert", "renew")["ordered"] == "key")
    status = kurir.json("cert", "status")
    assert (status["tlsa"], status["next_tlsa"]) == (coming, None)
    kurir.wait(
        "the new key over HTTPS",
        lambda: stage.curl(f"https://mta-sts.{DOMAIN}/.well-known/mta-sts.txt").returncode == 0,
    )
    shown = [r["value"] for r in kurir.json("dns", DOMAIN)["records"] if r["type"] == "TLSA"]
    assert shown == [coming]
    names.zone.pop(place)


def test_the_policy_is_served_and_its_id_is_the_one_in_the_dns(stage: Stage) -> None:
    url = f"https://mta-sts.{DOMAIN}/.well-known/mta-sts.txt"
    done = stage.curl(url, "-i")
    head, _, body = (
        done.stdout.partition("\n\n") if "\r" not in done.stdout else done.stdout.partition("\r\n\r\n")
    )
    assert " 200" in head.splitlines()[0] and "text/plain" in head
    assert body.splitlines() == ["version: STSv1", "mode: testing", f"mx: {HOST}", "max_age: 604800"]
    assert "nosniff" in head and "Strict-Transport-Security" in head and "server:" not in head.lower()
    plain = stage.curl(url.replace("https", "http"), "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}")
    assert plain.stdout == f"301 {url}"
    for other in (f"https://{HOST}/.well-known/mta-sts.txt", f"https://mta-sts.{DOMAIN}/", f"http://{HOST}/"):
        assert stage.curl(other, "-o", "/dev/null", "-w", "%{http_code}").stdout == "404"
    # What is checked is what a sender sees: the record, and the page behind it.
    trusted = stage.authority.folder / "trusted.pem"
    trusted.write_bytes(stage.authority.ca.read_bytes() + stage.authority.root().read_bytes())
    stage.kurir.env |= {
        "KURIR_NET__HTTPS_PORT": str(stage.kurir.https), "KURIR_NET__CA_FILE": str(trusted),
        "KURIR_NET__ALLOW_LOOPBACK_PEERS": "true",
    }  # fmt: skip
    found = {r["name"]: r for r in stage.kurir.ask("dns", "check", DOMAIN)["records"]}
    assert found[f"_mta-sts.{DOMAIN}"]["severity"] != "green"
    (record,) = (r for r in stage.kurir.json("dns", DOMAIN)["records"] if r["name"] == f"_mta-sts.{DOMAIN}")
    stage.names.zone[f"_mta-sts.{DOMAIN}"] = {"TXT": [f'"{record["value"]}"']}
    found = {r["name"]: r for r in stage.kurir.ask("dns", "check", DOMAIN)["records"]}
    assert found[f"_mta-sts.{DOMAIN}"]["severity"] == "green", found[f"_mta-sts.{DOMAIN}"]["text"]
    stage.names.zone[f"_mta-sts.{DOMAIN}"] = {"TXT": ['"v=STSv1; id=20200101"']}
    found = {r["name"]: r for r in stage.kurir.ask("dns", "check", DOMAIN)["records"]}
    assert found[f"_mta-sts.{DOMAIN}"]["severity"] == "yellow"


def test_mail_programs_find_their_settings(stage: Stage) -> None:
    done = stage.curl(f"https://autoconfig.{DOMAIN}/mail/config-v1.1.xml?emailaddress=ana%40{DOMAIN}")
    assert f"<hostname>{HOST}</hostname>" in done.stdout and str(stage.kurir.submissions) in done.stdout
    # autodiscover asks at the host that the SRV record names
    request = (
        '<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="http://schemas.microsoft.com/exchange/'
        f'autodiscover/outlook/requestschema/2006"><Request><EMailAddress>ana@{DOMAIN}</EMailAddress>'
        "</Request></Autodiscover>"
    )
    done = stage.curl(
        f"https://{HOST}/Autodiscover/Autodiscover.xml", "-H", "Content-Type: text/xml", "-d", request
    )
    assert f"<LoginName>ana@{DOMAIN}</LoginName>" in done.stdout and "<Type>SMTP</Type>" in done.stdout


def test_failures_are_told_and_wait(stage: Stage, tmp_path: Path) -> None:
    """A name that leads elsewhere: the authority's words arrive, and nothing is asked again at once."""
    with Names({**NAMES, HOST: {"A": ["127.0.0.9"]}}) as names:
        kurir = configure(tmp_path / "kurir", "", names)
        with pebble(tmp_path / "pebble", names.address, kurir.http) as authority:
            text = kurir.config.read_text().replace("[net]\n", f'[net]\nca_file = "{authority.ca}"\n')
            acme = f'\n[tls.acme]\ndirectory = "{authority.directory}"\nagree = true\nnames = ["{HOST}"]\n'
            kurir.config.write_text(text + acme)
            with kurir:
                status = kurir.wait(
                    "the failure", lambda: (s := kurir.ask("cert", "status"))["failures"] and s, 120
                )
                assert HOST in status["why"] and status["retry_at"] > status["failed_at"] + 600
                assert status["self_made"] is True
                done = kurir.cli("cert", "order", check=1)
                assert HOST.encode() in done.stderr
                assert b"belum" in kurir.cli("cert", "status", "--lang", "id", check=1).stdout


def test_dns_proofs_by_a_hook_and_a_known_customer(tmp_path: Path) -> None:
    records = tmp_path / "records"
    records.mkdir()
    hook = tmp_path / "hook"
    hook.write_text(
        f'#!/bin/sh\nset -e\ncd {records}\ncase $1 in\nadd) echo "$3" >"$2" ;;\nremove) rm -f "$2" ;;\nesac\necho "$@" >>{tmp_path}/calls\n'
    )
    hook.chmod(0o755)

    class Zone(dict):
        def get(self, name, default=None):
            file = records / name
            return {"TXT": [f'"{file.read_text().strip()}"']} if file.exists() else super().get(name, default)

    with Names({}) as names:
        names.zone = Zone(NAMES)
        key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
        (tmp_path / "eab").write_text(key + "\n")
        kurir = configure(tmp_path / "kurir", "", names)
        with pebble(tmp_path / "pebble", names.address, 1, external={"kid-1": key}) as authority:
            text = kurir.config.read_text().replace("[net]\n", f'[net]\nca_file = "{authority.ca}"\n')
            kurir.config.write_text(
                f'{text}\n[tls.acme]\ndirectory = "{authority.directory}"\nagree = true\nchallenge = "dns-01"\n'
                f'hook = "{hook}"\nsettle = 0\nnames = ["{HOST}", "*.{DOMAIN}"]\n'
                f'eab_key_id = "kid-1"\neab_key_file = "{tmp_path / "eab"}"\n'
            )
            with kurir:
                kurir.wait("a certificate", lambda: kurir.ask("cert", "status")["self_made"] is False)
                assert set(kurir.ask("cert", "status")["names"]) == {HOST, f"*.{DOMAIN}"}
        assert list(records.iterdir()) == []  # taken away again
        verbs = [line.split()[0] for line in (tmp_path / "calls").read_text().splitlines()]
        assert verbs.count("add") == verbs.count("remove") == 2


@pytest.fixture(autouse=True, scope="module")
def _tools() -> None:
    for tool in ("curl", "openssl"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
