"""`sendmail` and `mailq` as cron, PHP and scripts call them: standard input, options, exit codes."""

import getpass
import re
import sys

import pytest

from tests.harness import Kurir

from .letters import BODIES, LARGE, body_of, large, letter
from .post import DOMAIN, OUTSIDE
from .programs import run, words

pytestmark = pytest.mark.interop

BUDI, CITRA = f"budi@{DOMAIN}", f"citra@{DOMAIN}"
FAR = f"x@{OUTSIDE}"
EX_USAGE, EX_DATAERR, EX_UNAVAILABLE, EX_TEMPFAIL = 64, 65, 69, 75


def sendmail(kurir: Kurir, home, data: bytes, *options: str, check=0, name="sendmail"):
    code = f"import sys; sys.argv[0] = {name!r}; from kurir.cli.sendmail import main; main()"
    env = {"KURIR_CONFIG": str(kurir.config), "PYTHONPATH": kurir.env["PYTHONPATH"], "KURIR_LANG": "en"}
    return run([sys.executable, "-c", code, *options], stdin=data, home=home, env=env, check=check)


@pytest.mark.parametrize("name", BODIES)
def test_sendmail_carries(post, tmp_path, name):
    sent = letter(BODIES[name], sender=post.ana, to=BUDI)
    sendmail(post.kurir, tmp_path, sent.with_lf, "-i", "-f", post.ana, BUDI, FAR)
    post.assert_same(post.in_mailbox("budi", sent.message_id), sent.as_sent)
    post.assert_same(post.outside(sent.message_id).data, sent.as_sent)


def test_sendmail_carries_10_mb(post, tmp_path):
    sent = letter(large(LARGE), sender=post.ana, to=BUDI)
    sendmail(post.kurir, tmp_path, sent.with_lf, "-i", "-f", post.ana, BUDI)
    post.assert_same(post.in_mailbox("budi", sent.message_id), sent.as_sent)


def test_t_takes_recipients_from_the_header_and_hides_blind_ones(post, tmp_path):
    extra = (
        f'Cc: "Citra, Dewi" <{CITRA}>,\r\n (a comment) {FAR}\r\n'
        f"Bcc: Diam <hidden@{OUTSIDE}>,\r\n\tbudi@{DOMAIN}\r\n"
    ).encode()
    sent = letter(BODIES["lone dots"], sender=post.ana, to=BUDI, extra=extra)
    sendmail(post.kurir, tmp_path, sent.with_lf, "-t", "-i", "-f", post.ana)
    visible = sent.as_sent.replace(extra, extra.partition(b"Bcc:")[0])
    for who in ("budi", "citra"):
        post.assert_same(post.in_mailbox(who, sent.message_id), visible)
    received = post.outside(sent.message_id)
    post.assert_same(received.data, visible)
    fates = {BUDI: "delivered", CITRA: "delivered", FAR: "handed_over", f"hidden@{OUTSIDE}": "handed_over"}
    story = post.assert_told(sent.message_id, protocol="ESMTP", account=None, fates=fates)
    assert story["protection"] == "local"
    assert story["history"][0]["text"] == "Accepted from a program on this machine."


def test_a_script_writes_hardly_anything(post, tmp_path):
    """What PHP and cron do: no From, no Date, no Message-ID, a lone dot is text only with -i."""
    mark = f"Subject: cron {tmp_path.name} {tmp_path.stat().st_ino}"
    data = f"To: budi\n{mark}\n\nline\n.\nafter the end\n".encode()
    sendmail(post.kurir, tmp_path, data, "-t", "-F", "Cron Daemon")
    arrived = post.kurir.wait(
        "the message", lambda: next((m for m in post.kurir.mail("budi") if mark.encode() in m), None)
    )
    assert body_of(arrived) == b"line\r\n"
    head = arrived.partition(b"\r\n\r\n")[0].decode()
    sender = f"{getpass.getuser()}@{DOMAIN}"
    assert f'\r\nFrom: "Cron Daemon" <{sender}>\r\n' in head
    assert f"Return-Path: <{sender}>\r\n" in head
    assert re.search(r"\r\nMessage-ID: <[^<>]+@kurir\.test>\r\n", head)
    assert "\r\nDate: " in head


OPTIONS = {
    "-fADDRESS": ["-fana@kurir.test", "-i"],
    "-r": ["-r", "ana@kurir.test", "-oi"],
    "-oi -oem -om": ["-oi", "-oem", "-om", "-f", "ana@kurir.test"],
    "-bm -G -U -v": ["-bm", "-G", "-U", "-v", "-i", "-f", "ana@kurir.test"],
    "-B8BITMIME": ["-B8BITMIME", "-i", "-f", "<ana@kurir.test>"],
    "--": ["-i", "-f", "ana@kurir.test", "--"],
    "-it together": ["-it", "-f", "ana@kurir.test"],
    "-odb -q": ["-odb", "-i", "-f", "ana@kurir.test"],
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_options_of_other_sendmails(post, tmp_path, options):
    sent = letter(BODIES["leading dots"], sender=post.ana, to=BUDI)
    to = [] if "-it" in options else [BUDI]
    sendmail(post.kurir, tmp_path, sent.with_lf, *options, *to)
    arrived = post.in_mailbox("budi", sent.message_id)
    post.assert_same(arrived, sent.as_sent)
    assert arrived.startswith(b"Return-Path: <ana@kurir.test>\r\n")


def test_null_sender_and_report_options(post, tmp_path):
    sent = letter(BODIES["plain"], sender=post.ana, to=FAR)
    options = ["-i", "-f", "<>", "-N", "failure,delay", "-R", "hdrs", "-V", "nomor+1", FAR]
    sendmail(post.kurir, tmp_path, sent.with_lf, *options)
    received = post.outside(sent.message_id)
    assert received.mail.startswith("MAIL FROM:<> ")
    assert "RET=HDRS" in received.mail
    assert "ENVID=nomor+2B1" in received.mail
    assert "NOTIFY=FAILURE,DELAY" in received.rcpts[0]


def test_smtputf8(post, tmp_path):
    jurgen, door = f"jürgen@{DOMAIN}", f"用户@{OUTSIDE}"
    sent = letter(BODIES["utf-8"], sender=jurgen, to=door, subject="Příliš", name="Jürgen")
    sendmail(post.kurir, tmp_path, sent.with_lf, "-t", "-i", "-f", jurgen)
    received = post.outside(sent.message_id)
    post.assert_same(received.data, sent.as_sent)
    assert "SMTPUTF8" in received.mail
    assert received.rcpts == [f"RCPT TO:<{door}>"]


REFUSED = {
    "nobody named": ([], b"Subject: x\n\nx\n", EX_USAGE, "no recipient"),
    "-t without recipients": (["-t"], b"Subject: x\n\nx\n", EX_USAGE, "no recipient"),
    "empty": ([BUDI], b"", EX_DATAERR, "empty"),
    "-bs": (["-bs"], b"", EX_USAGE, "-bs"),
    "-f without value": (["-f"], b"x\n", EX_USAGE, "-f needs a value"),
    "unknown mailbox": (
        [f"nobody@{DOMAIN}"], b"Subject: x\n\nx\n", EX_UNAVAILABLE, "550 5.1.1 No such mailbox here",
    ),
    "line end in an address": (
        [f"{BUDI}>\r\nRCPT TO:<{FAR}"], b"Subject: x\n\nx\n", EX_UNAVAILABLE, "line end",
    ),
    "line end in the sender": (
        ["-f", f"{BUDI}>\nRCPT TO:<{FAR}", BUDI], b"Subject: x\n\nx\n", EX_UNAVAILABLE, "line end",
    ),
    "line end in -N": (["-N", "never\r\nQUIT", BUDI], b"Subject: x\n\nx\n", EX_UNAVAILABLE, "line end"),
    "bad address": (["a b@c@d"], b"Subject: x\n\nx\n", EX_UNAVAILABLE, "501 5.5.4"),
}  # fmt: skip


@pytest.mark.parametrize(("options", "data", "code", "said"), REFUSED.values(), ids=REFUSED)
def test_refusals(post, tmp_path, options, data, code, said):
    done = sendmail(post.kurir, tmp_path, data, *options, check=code)
    assert said in words(done)


def test_one_of_two_is_refused(post, tmp_path):
    sent = letter(b"x\r\n", sender=post.ana, to=BUDI)
    done = sendmail(
        post.kurir,
        tmp_path,
        sent.with_lf,
        "-i",
        "-f",
        post.ana,
        BUDI,
        f"nobody@{DOMAIN}",
        check=EX_UNAVAILABLE,
    )
    assert f"nobody@{DOMAIN}: 550 5.1.1 No such mailbox here" in words(done)
    post.in_mailbox("budi", sent.message_id)


def test_while_the_server_is_down(tmp_path):
    kurir = Kurir(tmp_path / "down", domain=DOMAIN)
    done = sendmail(kurir, tmp_path, b"Subject: x\n\nx\n", BUDI, check=EX_TEMPFAIL)
    assert "no server is running" in words(done)
    done = sendmail(kurir, tmp_path, b"", name="mailq")
    assert b"Traceback" not in done.stderr
    with kurir:
        kurir.user("budi")
        sendmail(kurir, tmp_path, b"Subject: now\n\nx\n", BUDI)
        kurir.wait("the message", lambda: kurir.mail("budi"))
    sendmail(kurir, tmp_path, b"Subject: x\n\nx\n", BUDI, check=EX_TEMPFAIL)


def test_mailq_shows_what_waits(tmp_path):
    with Kurir(tmp_path / "waits", domain=DOMAIN, smarthost="smtp://127.0.0.1:9?tls=none") as kurir:
        sendmail(kurir, tmp_path, b"Subject: x\n\nx\n", "-f", BUDI, FAR)
        for name, options in (("mailq", ()), ("sendmail", ("-bp",)), ("/usr/bin/mailq", ())):
            listed = words(sendmail(kurir, tmp_path, b"", *options, name=name))
            assert FAR in listed
            assert BUDI in listed
