"""Hostile messages where they are read, not received: ``kurir sandbox``, ``kurir trace`` by subject, header copied into reports.

The material: the whole folder data/mime of the shared test material, the generated monsters of `hostile_mail`, and
pieces of random octets that look like headers.  Nothing ends in a traceback; time and memory are bounded for each.
"""

import io
import json
import sys
import tarfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from kurir.app.operating import reading
from kurir.cli.main import main
from kurir.config import load
from kurir.message import facts_of
from kurir.model import Body, Envelope, MailParams, Recipient, Ret
from kurir.queue.asks import NoticeWork
from kurir.reports import ReportSettings, render, wants_full
from kurir.sandbox.store import Wrapping
from kurir.storage import TraceQuery
from kurir.storage.database import make_directory
from kurir.storage.facts import SqliteFacts
from kurir.storage.layout import Layout
from kurir.trace import Catalogue
from tests.shared import need
from tests.unit.storage.mail import ALICE, NOON, StandingClock, accept, reason

from .hostile_mail import letters

SECONDS = 2.0  # for one message, on a busy machine; the usual is a hundredth of it
MEGABYTE = 1 << 20
HEAD = 256 * 1024  # what a report is given of the original
SETTINGS = ReportSettings("mx.a.example", "a.example")
Mails = list[tuple[str, bytes]]


def crlf(octets: bytes) -> bytes:
    """As it would have come by SMTP."""
    return octets.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")


def shared_mails() -> Mails:
    """Every file of every archive, whatever it is called."""
    found = []
    for path in sorted(need("data", "mime").iterdir()):
        if path.name.endswith(".tar.xz"):
            with tarfile.open(path) as tar:
                for member in tar.getmembers():
                    file = tar.extractfile(member)
                    if file is not None:
                        found.append((member.name, crlf(file.read())))
        else:
            found.append((path.name, crlf(path.read_bytes())))
    return found


def _random_mails() -> Iterator[tuple[str, bytes]]:
    """Headers put together from pieces that parsers trip over."""
    pieces = [b"Subject:", b"From:", b"Message-ID:", b" ", b"\t", b"\r\n ", b"\r\n", b"=?utf-8?q?", b"=?x?b?", b"?=", b"<", b">",
              b"@", b"\x00", b"\x1b[2J", b"\x9b", "\u202e".encode(), b"\xff\xfe", b"\xed\xa0\x80", b"%", b"'", b'"', b"a", b"--",
              "\U0001f4a9".encode(), b"(", b"\x7f", b"\x85", "\u2028".encode(), b"[bold]", b"{0}", b"\x0b", b"\x0c"]  # fmt: skip
    for seed in range(150):
        random = Random(seed)
        head = b"".join(random.choices(pieces, k=random.choice((5, 40, 400))))
        yield f"random {seed}", b"Subject: " + head + b"\r\n\r\nbody\r\n"


def generated_mails() -> Mails:
    return [(name, message) for _, name, message in letters()] + list(_random_mails())


MATERIAL = {"shared": shared_mails, "generated": generated_mails}


@pytest.fixture(scope="module", params=MATERIAL)
def mails(request: pytest.FixtureRequest) -> Mails:
    return MATERIAL[request.param]()


WRAPPING = Wrapping(sender="a@client.test", recipients=("b@elsewhere.test",))


class Place:
    """A playground that is not running, with all the mail in its trace and its sandbox."""

    def __init__(self, folder: Path, mails: Mails) -> None:
        self.file = folder / "kurir.toml"
        assert run("init", str(folder), "--domain", "here.test", "--playground")[0] == 0
        self.config = load(self.file)
        layout = Layout(Path(self.config.server.state))
        make_directory(layout.folder)
        facts = SqliteFacts(layout, StandingClock())
        self.subjects: list[str] = []
        self.ids: list[str] = []
        sandbox = reading.sandbox_store(self.config)
        for number, (_, message) in enumerate(mails, 1):
            known = facts_of(message[:HEAD])
            facts.commit(
                [accept(number, body=message[:HEAD], subject=known.subject, message_id=known.message_id)]
            )
            self.subjects.append(known.subject)
            capture = sandbox.open()
            for at in range(0, len(message), 65536):
                capture.write(message[at : at + 65536])
            self.ids.append(capture.finish(WRAPPING, NOON).id)
        facts.close()

    def command(self, *arguments: str) -> tuple[int, bytes]:
        return run(arguments[0], arguments[1], "-c", str(self.file), *arguments[2:])


def command(self, *arguments: str) -> tuple[int, bytes]:
    return run(arguments[0], arguments[1], "-c", str(self.file), *arguments[2:])


def reading_wrapping() -> Any:
    from kurir.sandbox.store import Wrapping

    return Wrapping(sender="a@client.test", recipients=("b@elsewhere.test",))


def run(*arguments: str) -> tuple[int, bytes]:
    """Run a command in this process; return its exit code and what it printed.  An exception is the test's."""
    out, kept = io.BytesIO(), (sys.stdout, sys.stderr)
    sys.stdout = sys.stderr = io.TextIOWrapper(out, "utf-8", "backslashreplace", write_through=True)
    try:
        main(arguments)
    except SystemExit as ended:
        return int(ended.code or 0), out.getvalue()
    finally:
        sys.stdout.flush()
        sys.stdout, sys.stderr = kept
    raise AssertionError("main ends by SystemExit")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, mails: Mails) -> Place:
    return Place(tmp_path_factory.mktemp("play") / "k", mails)


def bounded(call: Callable[[], Any], name: str, octets: int) -> Any:
    """Call; insist on little time and, with a given number of octets to read, little memory."""
    began = time.process_time()
    call()
    took = time.process_time() - began
    assert took < SECONDS, f"{name}: {took:.1f} s"
    tracemalloc.start()
    try:
        result = call()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * octets + 8 * MEGABYTE, f"{name}: {peak / MEGABYTE:.0f} MB for {octets / MEGABYTE:.1f}"
    return result


def test_captured_mail_is_shown_as_it_came(place: Place, mails: Mails) -> None:
    for (name, message), id_ in zip(mails, place.ids, strict=True):
        began = time.process_time()
        assert place.command("sandbox", "show", id_) == (0, message), name
        code, shown = place.command("sandbox", "show", id_, "--json")
        assert code == 0, name
        assert json.loads(shown)["message"] == message.decode("utf-8", "replace"), name
        assert time.process_time() - began < SECONDS, name
    code, shown = place.command("sandbox", "list", "--limit", "1000")
    assert code == 0
    assert shown.count(b"b@elsewhere.test") == len(mails)
    assert not {c for c in shown.decode() if ord(c) < 32} - {"\n"}  # nothing that a terminal would obey


def test_every_subject_is_found_by_itself(place: Place, mails: Mails) -> None:
    for number, (name, subject) in enumerate(zip((n for n, _ in mails), place.subjects, strict=True), 1):
        for text in {subject, subject[:20], subject[5:30].upper(), subject[::-1]}:
            found = bounded(lambda t=text: reading.search(place.config, t, limit=1000), name, 100_000)
            guessed = TraceQuery.of(text)
            if text == subject and guessed.subject:
                assert number in {m.number for m in found}, name


ODD = ["", " ", "%", "_", "\\", "'; DROP TABLE message; --", "\udcff\udcfe", "x" * 100_000, "\x1b[2J", "k" * 8, "<>", "<<<", "@",
       "@@", "\u0130\u017f", "*", '"', "=?utf-8?q?=41?=", "\u202e", "--since"]  # fmt: skip


@pytest.mark.parametrize("json_", [(), ("--json",)], ids=["words", "json"])
def test_a_subject_is_no_program(place: Place, json_: tuple[str, ...]) -> None:
    """What stands in subjects, and worse, typed by a person into ``kurir trace``."""
    texts = [*ODD, *place.subjects[::7]]
    for text in texts:
        began = time.process_time()
        code, shown = place.command("trace", "show", *json_, "--", text)
        assert code in (0, 1, 2), text
        assert b"Traceback" not in shown
        assert not {c for c in shown.decode() if ord(c) < 32} - {"\n"}, text
        assert time.process_time() - began < 5 * SECONDS, text


def test_octets_that_are_no_text_are_told_apart_from_bugs(place: Place) -> None:
    """Everything that takes words from a person takes what a terminal of another encoding sends."""
    for command in (("queue", "list", "--to"), ("queue", "list", "--json", "--to"), ("queue", "show"), ("sandbox", "show"),
                    ("sandbox", "show", "--json"), ("trace", "show", "--since", "1d"), ("trace", "show", "--json")):  # fmt: skip
        code, shown = place.command(*command, "\udcff\udcfe@here.test")
        assert code in (0, 1, 2)
        assert shown


def _work(message: bytes, ret: Ret | None) -> NoticeWork:
    known = facts_of(message[:HEAD])
    envelope = Envelope(ALICE, (Recipient(ALICE),), MailParams(body=Body.EIGHT, ret=ret))
    return NoticeWork(
        id="1-f-0", epoch=1, number=1, to=ALICE, accepted_at=NOON, trace_block=b"Received: us\r\n", size=len(message),
        subject=known.subject, message_id=known.message_id, original=envelope, reasons=(reason(),),
        header_end=known.header_end,
    )  # fmt: skip


@pytest.mark.parametrize("ret", [None, Ret.FULL, Ret.HDRS], ids=str)
def test_what_is_copied_into_a_report_breaks_nothing(mails: Mails, ret: Ret | None) -> None:
    catalogue = Catalogue.load()
    for name, message in mails:
        work = _work(message, ret)
        original = message if wants_full(work, SETTINGS) else message[:HEAD]
        report = bounded(
            lambda w=work, o=original: render(
                w, o, SETTINGS, catalogue.explain_cause, at=NOON, token="1-f-0.r4nd"
            ),
            name,
            len(original),
        )
        octets = report.octets
        assert len(octets) <= max(SETTINGS.max_headers, len(original)) + 20_000, name
        assert octets.count(b"\n") == octets.count(b"\r\n") == octets.count(b"\r"), name
        assert max(map(len, octets.split(b"\r\n"))) <= 998, name
        assert octets.count(b"\r\n--=_kurir_1-f-0.r4nd") == 4, name  # three parts and an end
        assert facts_of(octets).header_end == report.header_end, name
        assert octets.isascii() or report.envelope.params.body is Body.EIGHT, name
