"""The parts of `roles`, for people: an example of each and what it does, in both languages.

The examples are real: a test parses each of them.
"""

from typing import NamedTuple


class Line(NamedTuple):
    """One part: an address that plays it, and what it does, in English and in Indonesian."""

    example: str
    en: str
    id: str


ROLEBOOK = (
    Line("anybody@example.net", "accepts and captures the message", "menerima pesan dan menyimpannya"),
    Line(
        "code-550-rcpt@example.net",
        "answers RCPT with that code; steps: connect, mail, rcpt, data, body",
        "menjawab RCPT dengan kode itu; langkah: connect, mail, rcpt, data, body",
    ),
    Line(
        "code-451-data@example.net",
        "answers DATA with that code, before the message is sent",
        "menjawab DATA dengan kode itu, sebelum pesan dikirim",
    ),
    Line(
        "code-552-5.3.4-body@example.net",
        "takes the message, then answers with that code and enhanced code",
        "mengambil pesan, lalu menjawab dengan kode dan kode rinci itu",
    ),
    Line(
        "defer-3@example.net",
        "answers 451 to the first 3 attempts of each message, then accepts it",
        "menjawab 451 pada 3 percobaan pertama setiap pesan, lalu menerimanya",
    ),
    Line("hang-rcpt@example.net", "never answers RCPT", "tidak pernah menjawab RCPT"),
    Line("hang-data@example.net", "never answers DATA", "tidak pernah menjawab DATA"),
    Line(
        "hang-body@example.net",
        "takes the whole message and never answers",
        "mengambil seluruh pesan dan tidak pernah menjawab",
    ),
    Line("slow-5s@example.net", "answers RCPT after 5 seconds", "menjawab RCPT setelah 5 detik"),
    Line(
        "slow-30s-body@example.net",
        "takes the message and answers after 30 seconds",
        "mengambil pesan dan menjawab setelah 30 detik",
    ),
    Line("drop-rcpt@example.net", "closes the connection at RCPT", "memutus sambungan saat RCPT"),
    Line("drop-data@example.net", "closes the connection at DATA", "memutus sambungan saat DATA"),
    Line(
        "drop-body@example.net",
        "captures the message, then closes without a reply: the sender cannot know that it arrived",
        "menyimpan pesan, lalu memutus tanpa jawaban: pengirim tidak tahu bahwa pesan sudah sampai",
    ),
    Line(
        "garbage-rcpt@example.net",
        "answers RCPT with bytes that are no reply, then closes",
        "menjawab RCPT dengan bita yang bukan jawaban SMTP, lalu memutus",
    ),
    Line(
        "half-rcpt@example.net",
        "sends half a reply to RCPT, then closes",
        "mengirim setengah jawaban untuk RCPT, lalu memutus",
    ),
    Line(
        "bounce-later@example.net",
        "accepts the message, and a bounce comes back 5 seconds later",
        "menerima pesan, dan surat pantulan datang 5 detik kemudian",
    ),
    Line(
        "bounce-later-60s@example.net",
        "the same after 60 seconds",
        "sama seperti itu, setelah 60 detik",
    ),
    Line(
        "anybody@connect-421.test",
        "answers the connection itself with 421",
        "menjawab sambungan itu sendiri dengan 421",
    ),
    Line(
        "anybody@connect-554.test",
        "answers the connection itself with 554",
        "menjawab sambungan itu sendiri dengan 554",
    ),
    Line(
        "anybody@hang-connect.test",
        "takes the connection and never greets",
        "menerima sambungan dan tidak pernah menyapa",
    ),
    Line(
        "anybody@drop-connect.test",
        "closes the connection before greeting",
        "memutus sambungan sebelum menyapa",
    ),
    Line(
        "anybody@garbage-connect.test",
        "greets with bytes that are no reply",
        "menyapa dengan bita yang bukan jawaban SMTP",
    ),
    Line("anybody@half-connect.test", "sends half a greeting", "mengirim setengah sapaan"),
    Line("anybody@mail-451.test", "answers MAIL with 451", "menjawab MAIL dengan 451"),
    Line("anybody@mail-550.test", "answers MAIL with 550", "menjawab MAIL dengan 550"),
    Line("anybody@hang-mail.test", "never answers MAIL", "tidak pernah menjawab MAIL"),
    Line("anybody@drop-mail.test", "closes the connection at MAIL", "memutus sambungan saat MAIL"),
    Line("anybody@notls.test", "does not offer STARTTLS", "tidak menawarkan STARTTLS"),
    Line(
        "anybody@brokentls.test",
        "offers STARTTLS, then breaks the handshake",
        "menawarkan STARTTLS, lalu merusak jabat tangannya",
    ),
)


def roles_help(lang: str) -> list[tuple[str, str]]:
    """Return ``(example address, what it does)`` for each part, in ``"id"`` or else in English."""
    return [(line.example, line.id if lang == "id" else line.en) for line in ROLEBOOK]
