"""No password in any log, file, trace or metric: canaries sent through every door, right and wrong, whole and broken."""

import base64
import contextlib
import re
import smtplib
import ssl
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from scramp import ScramClient

from tests.harness import PATIENCE, Kurir, Sink, hand_in, login, text

ALICE = "alice@example.test"
# Each stands for one way in; none may be found anywhere afterwards.
RIGHT = "Canary-right-7f3aQ"
CANARIES = {
    "right": RIGHT,
    "plain": "Canary-plain-9d1bX",
    "login": "Canary-login-4c8eZ",
    "scram": "Canary-scram-2a6fW",
    "naked": "Canary-naked-5e0dV",
    "pipelined": "Canary-piped-8b7cU",
    "malformed": "Canary-malf-1f9aT",
    "nobody": "Canary-nobody-6c2S",
    "command": "Canary-command-3dR",
    "url": "Canary-url-0e5fQpw",
    "file": "Canary-file-7a1bPp",
    "bad-url": "Canary-badurl-4fOo",
    "chosen": "Canary-chosen-5b3Nn",
}


def shapes(secret: str) -> set[bytes]:
    """Return how a secret may look: as it is, in hexadecimal, and what is certain of it in base64 at each offset."""
    found = {secret.encode(), secret.encode().hex().encode()}
    for offset in range(3):
        whole = base64.b64encode(b"\0" * offset + secret.encode())
        found.add(whole[4 if offset else 0 : len(whole) - 4])
    return found


def plain(user: str, password: str) -> str:
    return base64.b64encode(f"\0{user}\0{password}".encode()).decode()


def b64(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


@contextlib.contextmanager
def door(kurir: Kurir, *, tls: bool = True, port: int | None = None) -> Any:
    """An SMTP session for saying odd things; the server may hang up on us."""
    with contextlib.suppress(OSError, smtplib.SMTPException):
        s = smtplib.SMTP(
            "127.0.0.1", port or kurir.submission, local_hostname="client.test", timeout=PATIENCE
        )
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            s.starttls(context=context)
        s.ehlo()
        try:
            yield s
        finally:
            s.close()


def scram(s: smtplib.SMTP, user: str, password: str) -> int:
    client = ScramClient(["SCRAM-SHA-256"], user, password)
    code, challenge = s.docmd("AUTH", "SCRAM-SHA-256 " + b64(client.get_client_first()))
    if code != 334:
        return code
    client.set_server_first(base64.b64decode(challenge).decode())
    code, final = s.docmd(b64(client.get_client_final()))
    if code == 334:
        client.set_server_final(base64.b64decode(final).decode())
        code, _ = s.docmd("")
    return code


def try_everything(kurir: Kurir) -> None:
    c = CANARIES
    with door(kurir) as s:
        assert s.docmd("AUTH", f"PLAIN {plain(ALICE, c['plain'])}")[0] == 535
        assert s.docmd("AUTH", "PLAIN")[0] == 334
        assert s.docmd(plain("nobody@example.test", c["nobody"]))[0] == 535
    with door(kurir) as s:
        assert s.docmd("AUTH", "LOGIN")[0] == 334
        assert s.docmd(b64(ALICE))[0] == 334
        assert s.docmd(b64(c["login"]))[0] == 535
        assert s.docmd("AUTH", f"PLAIN {plain(ALICE, RIGHT)}")[0] == 235
    with door(kurir) as s:
        assert scram(s, ALICE, c["scram"]) == 535
    with door(kurir) as s:
        assert s.docmd("AUTH", f"PLAIN {plain(ALICE, c['malformed'])}!!")[0] == 501
        assert s.docmd("AUTH", f"PLAIN {c['malformed']}")[0] in (501, 535)
        assert s.docmd("AUTH", f"PLAIN {b64(ALICE + c['malformed'])}")[0] in (501, 535)
        assert s.docmd("AUTH", f"NONSENSE {b64(c['malformed'])}")[0] == 504
        assert s.docmd("AUTH", f"PLAIN {plain(ALICE, c['malformed'])} {c['malformed']}")[0] >= 500
    # Clients that do not listen: what they say next is taken for a command.
    for port in (kurir.submission, kurir.smtp):
        with door(kurir, tls=False, port=port) as s:
            assert s.docmd("AUTH", f"PLAIN {plain(ALICE, c['naked'])}")[0] >= 500
        with door(kurir, tls=False, port=port) as s:
            assert s.docmd("AUTH", "LOGIN")[0] >= 500
            for line in (b64(ALICE), b64(c["pipelined"])):
                assert s.docmd(line)[0] >= 500
    with door(kurir) as s:
        s.send(f"AUTH LOGIN\r\n{b64(ALICE)}\r\n{b64(c['pipelined'])}\r\n")
        for _ in range(3):
            s.getreply()
    for word in (
        c["command"],
        f"PASS {c['command']}",
        f"LOGIN alice {c['command']}",
        f"XAUTH {plain(ALICE, c['command'])}",
    ):
        with door(kurir) as s:
            assert s.docmd(word)[0] >= 500


@pytest.mark.parametrize("workers", [0, 1], ids=["one-process", "workers"])
def test_no_canary_sings(tmp_path: Path, workers: int) -> None:
    def refuse_once(verb: str, _line: str, attempt: int) -> Any:
        return b"535 5.7.8 no such login\r\n" if verb == "AUTH" and attempt == 1 else None

    extensions = ("PIPELINING", "AUTH PLAIN LOGIN", "8BITMIME", "ENHANCEDSTATUSCODES")
    (tmp_path / "password").write_text(CANARIES["file"] + "\n")
    said: list[str] = []
    with Sink(refuse_once, extensions=extensions) as sink:
        toml = f"""
[log]
level = "debug"

[queue]
retry = [1, 1, 2]

[[roads]]
name = "by-url"
url = "smtp://me:{CANARIES["url"]}@127.0.0.1:{sink.port}?tls=opportunistic"
recipients = ["url.test"]

[[roads]]
name = "by-file"
url = "smtp://127.0.0.1:{sink.port}?tls=opportunistic"
recipients = ["file.test"]
username = "me"
password_file = "{tmp_path}/password"
"""
        with Kurir(tmp_path / "kurir", workers=workers, toml=toml) as kurir:

            def cli(*arguments: str, stdin: str = "") -> None:
                done = kurir.cli(*arguments, check=None, stdin=stdin)
                said.append((done.stdout + done.stderr).decode())

            cli("user", "add", ALICE, "--password-stdin", "--scram", stdin=RIGHT + "\n")
            cli("user", "add", ALICE, "--password-stdin", stdin=CANARIES["chosen"] + "\n")  # there already
            cli("user", "add", "no address", "--password-stdin", stdin=CANARIES["chosen"] + "\n")
            with login(kurir, "alice", RIGHT) as s:
                for domain in ("url.test", "file.test"):
                    hand_in(s, ALICE, f"bob@{domain}", text(ALICE, f"bob@{domain}", "hello"))
            with door(kurir) as s:
                assert scram(s, ALICE, RIGHT) == 235
            try_everything(kurir)
            kurir.wait_empty()
            assert len(sink.messages) == 2

            def failed() -> int:
                seen = kurir.ask("trace", ALICE)["observations"]
                return sum(o["count"] for o in seen if o["kind"] == "failed_login")

            kurir.wait("the failed logins", lambda: failed() >= 3)
            for command in (
                ("trace", ALICE, "--full"),
                ("trace", ALICE, "--json"),
                ("status", "--json"),
                ("doctor",),
            ):
                cli(*command)
            for path in ("metrics", "healthz", "readyz"):
                with urllib.request.urlopen(
                    f"http://127.0.0.1:{kurir.admin}/{path}", timeout=PATIENCE
                ) as answer:
                    said.append(answer.read().decode())

            # A URL with a password that is wrong somewhere else: neither the command nor the reload repeats it.
            good = kurir.config.read_text()
            for url in (
                f"smpt://me:{CANARIES['bad-url']}@127.0.0.1:25",
                f"smtp://me:{CANARIES['bad-url']}@127.0.0.1:99999",
                f"smtp://me:{CANARIES['bad-url']}@127.0.0.1:25?tls=perhaps",
                f"smtp://me:{CANARIES['bad-url']}@",
                f"me:{CANARIES['bad-url']}@127.0.0.1",
                f"smtp://me:{CANARIES['bad-url']}/x@127.0.0.1",
            ):
                kurir.config.write_text(re.sub(r'url = "smtp://me:.*"', f'url = "{url}"', good))
                for command in (("check",), ("check", "--json"), ("status",)):
                    code, out, errors = kurir.inside(*command)
                    assert code == 1, url
                    said.append(out + errors)
                failures = kurir.said().count("reload_failed")
                assert kurir.process is not None
                kurir.process.send_signal(1)
                kurir.wait("the refusal", lambda n=failures: kurir.said().count("reload_failed") > n)
            kurir.config.write_text(good)
            cli(
                "init",
                str(tmp_path / "other"),
                "--domain",
                "x.test",
                "--smarthost",
                f"smpt://me:{CANARIES['bad-url']}@h",
            )
            assert kurir.stop() == 0
            assert kurir.audit()["balanced"]

        written = {
            str(p): p.read_bytes()
            for p in (tmp_path / "kurir").rglob("*")
            if p.is_file() and p != kurir.config
        }
        written |= {"the log": kurir.said().encode(), "what commands said": "\n".join(said).encode()}
        assert any(name.endswith("facts.db") for name in written)
        assert any(name.endswith("accounts.db") for name in written)
        assert ALICE.encode() in written["the log"]  # the test would find something
        assert any(shape in plain(ALICE, RIGHT).encode() for shape in shapes(RIGHT))
        leaks = [
            (name, canary, written[name][max(0, at - 80) : at + 80])
            for canary, secret in CANARIES.items()
            for shape in shapes(secret)
            for name in written
            if (at := written[name].find(shape)) >= 0
        ]
        assert leaks == []
