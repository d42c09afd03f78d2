"""A delay notice of mail that only waits for a limit: it names the limit and the time, and sounds like no failure."""

from datetime import UTC, datetime

from kurir.limits import (
    Atlas,
    Beyond,
    Confidence,
    Limit,
    LimitNames,
    Per,
    Quota,
    Scope,
    Smarthost,
    Unit,
    Wait,
)
from kurir.model import OutcomeKind, Recipient
from kurir.queue.asks import NoticeReason
from kurir.reports import ReportSettings, render

from .test_dsn import BOB, ORIGINAL, explain, outcome, reason, status_blocks, work
from .test_dsn import email as mail

DAY = Limit(
    id="day", unit=Unit.MESSAGES, value=100, per=Per.DAY, scope=Scope.ACCOUNT, beyond=Beyond.REFUSE,
    source="https://x.example/limits", seen="2026-11-01", confidence=Confidence.READ,
)  # fmt: skip
ATLAS = Atlas(smarthosts=(Smarthost(name="x", label="X Mail", hosts=("smtp.x.example",), limits=(DAY,)),))
KNOWN = {"to-x": [ATLAS.by_smarthost(ATLAS.smarthosts[0], "me")]}
NAMES = LimitNames(lambda entry: KNOWN.get(entry, []))
TOMORROW = datetime(2026, 11, 24, 8, 10, tzinfo=UTC).timestamp()


def wait(key: str = "to-x/day/day/me", **more: object) -> Wait:
    given: dict[str, object] = {"used": 90, "stop": 90, "goes_at": TOMORROW, "road": "smart"}
    return Wait(Quota(key, Unit.MESSAGES, 100, 86400.0, 90), **(given | more))  # type: ignore[arg-type]


def waiting(**more):
    given = {"outcome": None, "give_up_at": TOMORROW + 4 * 86400, "limit": wait()}
    return NoticeReason(Recipient(BOB), "delayed", at=60.0, **(given | more))


def told(*reasons, languages=("en", "id")):
    settings = ReportSettings("mx.a.example", "a.example", languages=languages)
    report = render(work(*reasons), ORIGINAL, settings, explain, at=1e9, token="t", names=NAMES)
    parsed = mail.message_from_bytes(report.octets, policy=mail.policy.default)
    return parsed, " ".join(parsed.get_payload(0).get_content().split())


def test_what_is_kept_for_urgent_mail_is_told_as_that() -> None:
    kept = Wait(Quota("to-x/day/day/me", Unit.MESSAGES, 100, 86400.0, 90, 9), 84, 81, TOMORROW, "smart")
    parsed, text = told(waiting(limit=kept))
    assert (
        "used so far: 84. We stop at 90 to be on the safe side, and keep the last 9 of them for urgent mail."
        in text
    )
    assert (
        "84 sudah terpakai. Kami berhenti di 90 agar aman, dan menyisihkan 9 yang terakhir untuk surel mendesak."
        in text
    )
    (_, block) = status_blocks(parsed)
    assert "84 of 90 used, 9 of them kept for urgent mail" in block["Diagnostic-Code"]
    _, gone = told(reason("failed", None, outcome(kind=OutcomeKind.DEFERRED), limit=kept))
    assert (
        "84 were used. We stop at 90 to be on the safe side, and keep the last 9 of them for urgent mail."
        in gone
    )
    urgent = Wait(kept.quota, 90, 90, TOMORROW, "smart")
    assert "used so far: 90, and we stop at 90 to be on the safe side." in told(waiting(limit=urgent))[1]


def test_the_limit_whose_it_is_how_much_is_used_and_when_it_goes() -> None:
    parsed, text = told(waiting())
    assert parsed["Subject"].startswith(
        "Your message waits its turn and goes by itself / Pesan Anda menunggu"
    )
    assert "X Mail allows 100 messages a day (according to https://x.example/limits, 2026-11-01)" in text
    assert "used so far: 90, and we stop at 90" in text
    assert "leaves on 24 November 2026 at 08:10 UTC, by itself; you need to do nothing" in text
    assert "X Mail mengizinkan 100 pesan per hari" in text
    assert "berangkat sendiri pada 24 November 2026 pukul 08.10 UTC" in text
    for word in ("sorry", "Next attempt", "failed", "unknown_user"):
        assert word not in text


def test_what_programs_read() -> None:
    fields = status_blocks(told(waiting())[0])[1]
    assert fields == {
        "Final-Recipient": "rfc822; bob@b.example",
        "Action": "delayed",
        "Status": "4.4.5",
        "Diagnostic-Code": "x-kurir; waits for a limit of X Mail: 100 messages a day; 90 of 90 used",
        "Will-Retry-Until": "Sat, 28 Nov 2026 08:10:00 +0000",
    }


def test_an_earlier_attempt_is_dated_and_its_words_are_not_the_reason() -> None:
    before = outcome(kind=OutcomeKind.DEFERRED)
    fields = status_blocks(told(waiting(outcome=before))[0])[1]
    assert fields["Last-Attempt-Date"] == "Thu, 01 Jan 1970 00:00:50 +0000"
    assert fields["Diagnostic-Code"].startswith("x-kurir; waits for a limit")
    assert "Remote-MTA" not in fields


def test_times_that_nobody_can_foresee_are_not_invented() -> None:
    assert "as soon as another delivery ends" in told(waiting(limit=wait(goes_at=None)))[1]
    assert "not before 24 November" in told(waiting(limit=wait(not_before=True)))[1]


def test_a_limit_that_the_atlas_forgot_is_told_by_its_figures() -> None:
    assert "smart allows 100 messages a day; used so far: 90" in told(waiting(limit=wait("gone")))[1]


def test_time_that_ran_out_in_line_names_the_limit() -> None:
    late = reason("failed", None, outcome(kind=OutcomeKind.DEFERRED), limit=wait())
    _, text = told(late, languages=("en",))
    assert "All that time it waited for a limit: X Mail allows 100 messages a day" in text
    assert "no such user" not in text


def test_mail_that_waits_and_mail_that_is_late_are_told_apart() -> None:
    _, text = told(waiting(), reason("delayed", None, outcome(kind=OutcomeKind.DEFERRED)))
    assert "we keep trying" in text
    assert "waits its turn" not in text
    assert "by itself" in text


def test_mail_whose_receiver_is_spared() -> None:
    spared = Wait(None, 0, 0, TOMORROW, "mx", not_before=True, spared="to-x")
    parsed, text = told(waiting(limit=spared))
    fields = status_blocks(parsed)[1]
    assert (fields["Status"], fields["Diagnostic-Code"]) == (
        "4.4.5", "x-kurir; waits because mail to X Mail goes more slowly at present",
    )  # fmt: skip
    assert "Nothing is wrong with this mail: mail to X Mail goes more slowly at present" in text
    assert "not before 24 November 2026 at 08:10 UTC" in text
    assert "surel ke X Mail sedang dikirim lebih pelan karena jawabannya" in text
    _, text = told(reason("failed", None, None, limit=spared), languages=("en",))
    assert "All that time it waited because mail to X Mail went more slowly" in text
