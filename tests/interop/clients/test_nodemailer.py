"""Nodemailer, the client of most JavaScript applications: pooled connections, attachments, SMTPUTF8, DSN options."""

import base64
import email
import email.policy
import json

import pytest

from .letters import BODIES, LARGE, large, letter
from .post import DOMAIN, HOST, OUTSIDE, Post
from .programs import need_nodemailer, run

pytestmark = pytest.mark.interop

BUDI, CITRA = f"budi@{DOMAIN}", f"citra@{DOMAIN}"
FAR = f"x@{OUTSIDE}"
SCRIPT = __file__.replace("test_nodemailer.py", "nodemailer_client.js")


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def nodemailer(
    post: Post, home, *messages, door="submission", user=None, password=None, ca=True, **transport
):
    """Run one job and return what became of each message."""
    folder = need_nodemailer()
    implicit = door == "submissions"
    options = {
        "host": HOST,
        "port": getattr(post.kurir, door),
        "secure": implicit,
        "requireTLS": not implicit,
        "auth": {"user": user or post.ana, "pass": password or post.ana_password},
        **transport,
    }
    job = {"transport": options, "messages": messages}
    if ca:
        job["ca64"] = b64(post.kurir.ca.read_bytes())
    done = run(["node", SCRIPT, folder], stdin=json.dumps(job).encode(), home=home)
    return json.loads(done.stdout)


def raw(post: Post, sent, *to: str, **more):
    return {"envelope": {"from": post.ana, "to": list(to), **more}, "raw64": b64(sent.whole)}


@pytest.mark.parametrize("door", ["submission", "submissions"])
def test_pooled_connections_carry_everything(post, tmp_path, door):
    letters = [letter(body, sender=post.ana, to=BUDI) for body in BODIES.values()]
    messages = [raw(post, sent, BUDI, FAR) for sent in letters]
    told = nodemailer(post, tmp_path, *messages, door=door, pool=True, maxConnections=2, maxMessages=5)
    for sent, result in zip(letters, told, strict=True):
        assert result["accepted"] == [BUDI, FAR], result
        assert result["response"].startswith("250 2.0.0 ")
        post.assert_same(post.in_mailbox("budi", sent.message_id), sent.as_sent)
        post.assert_same(post.outside(sent.message_id).data, sent.as_sent)
    fates = {BUDI: "delivered", FAR: "handed_over"}
    post.assert_told(letters[0].message_id, protocol="ESMTPSA", account=post.ana, fates=fates)


def test_10_mb(post, tmp_path):
    sent = letter(large(LARGE), sender=post.ana, to=BUDI)
    (told,) = nodemailer(post, tmp_path, raw(post, sent, BUDI, FAR))
    assert told["accepted"] == [BUDI, FAR]
    post.assert_same(post.in_mailbox("budi", sent.message_id), sent.as_sent)
    post.assert_same(post.outside(sent.message_id).data, sent.as_sent)


@pytest.mark.parametrize("method", ["PLAIN", "LOGIN"])
def test_what_an_application_composes(post, tmp_path, method):
    octets = bytes(range(256)) * 999
    message = {
        "from": {"name": "Ana Wijaya ✉", "address": post.ana},
        "to": BUDI,
        "bcc": CITRA,
        "subject": "Laporan bulanan – žluťoučký",
        "text": "Terlampir.\n.\n..titik\nÄpfel\n",
        "html": "<p>Terlampir. 早上好</p>",
        "attachments": [
            {"filename": "laporan.bin", "content64": b64(octets)},
            {"filename": "лист.txt", "content64": b64("привет\r\n".encode())},
        ],
    }
    (told,) = nodemailer(post, tmp_path, message, authMethod=method)
    assert told["accepted"] == [BUDI, CITRA], told
    arrived = post.in_mailbox("citra", told["messageId"])
    assert (
        arrived.partition(b"\r\nFrom:")[2]
        == post.in_mailbox("budi", told["messageId"]).partition(b"\r\nFrom:")[2]
    )
    parsed = email.message_from_bytes(arrived, policy=email.policy.default)
    assert parsed["Bcc"] is None
    assert parsed["Subject"] == message["subject"]
    attachments = {part.get_filename(): part.get_payload(decode=True) for part in parsed.iter_attachments()}
    assert attachments == {"laporan.bin": octets, "лист.txt": "привет\r\n".encode()}
    assert parsed.get_body(("plain",)).get_content().splitlines() == message["text"].splitlines()


def test_smtputf8(post, tmp_path):
    jurgen, door = f"jürgen@{DOMAIN}", f"用户@{OUTSIDE}"
    sent = letter(BODIES["utf-8"], sender=jurgen, to=door, subject="Příliš", name="Jürgen")
    message = {"envelope": {"from": jurgen, "to": [door, BUDI]}, "raw64": b64(sent.whole)}
    password = post.passwords["jürgen"]
    (told,) = nodemailer(post, tmp_path, message, user=jurgen, password=password)
    assert told["accepted"] == [door, BUDI], told
    post.assert_same(post.in_mailbox("budi", sent.message_id), sent.as_sent)
    assert "SMTPUTF8" in post.outside(sent.message_id).mail


def test_dsn(post, tmp_path):
    sent = letter(BODIES["plain"], sender=post.ana, to=BUDI)
    options = {"id": "kiriman+1 =x", "return": "headers", "notify": ["success", "failure"], "recipient": BUDI}
    message = {**raw(post, sent, BUDI, FAR), "dsn": options}
    (told,) = nodemailer(post, tmp_path, message)
    assert told["accepted"] == [BUDI, FAR], told
    report = post.report_about(sent.message_id, "ana")
    assert b"\r\nOriginal-Envelope-Id: kiriman+1 =x\r\n" in report
    assert b"\r\nAction: delivered\r\n" in report
    received = post.outside(sent.message_id)
    assert "RET=HDRS" in received.mail
    assert "ENVID=kiriman+2B1+20+3Dx" in received.mail
    assert "NOTIFY=SUCCESS,FAILURE" in received.rcpts[0]


def test_refusals(post, tmp_path):
    sent = letter(b"x\r\n", sender=post.ana, to=BUDI)
    (told,) = nodemailer(post, tmp_path, raw(post, sent, BUDI), user=CITRA, password="wrong")
    assert (told["error"], told["responseCode"]) == ("EAUTH", 535)
    assert told["response"] == "535 5.7.8 Authentication credentials invalid"
    wrong_sender = {"envelope": {"from": BUDI, "to": [BUDI]}, "raw64": b64(sent.whole)}
    unknown = raw(post, sent, BUDI, f"nobody@{DOMAIN}")
    first, second = nodemailer(post, tmp_path, wrong_sender, unknown, pool=True, maxConnections=1)
    assert (first["error"], first["responseCode"]) == ("EENVELOPE", 553)
    assert "Your account may not send from this address" in first["response"]
    assert (second["accepted"], second["rejected"]) == ([BUDI], [f"nobody@{DOMAIN}"])
    (told,) = nodemailer(post, tmp_path, raw(post, sent, BUDI), ca=False)
    assert told["error"] in ("ETLS", "ESOCKET")
    assert "certificate" in told["text"]
