"""A few lives of messages, for the golden texts."""

from kurir.model import (
    Address,
    Cause,
    Event,
    EventKind,
    Fate,
    Origin,
    Outcome,
    OutcomeKind,
    Reply,
    Stage,
    TlsFacts,
)
from kurir.trace import MessageFacts, RecipientFacts

T0 = 1795428192.0  # 2026-11-23 10:03:12 UTC
ANI, BUDI, CITRA = (
    Address("ani", "example.com"),
    Address("budi", "example.org"),
    Address("citra", "example.net"),
)
SEALED = TlsFacts("TLSv1.3", "TLS_AES_256_GCM_SHA384", "name")
UNPROVEN = TlsFacts("TLSv1.3", "TLS_AES_256_GCM_SHA384", None, "self-signed certificate")
MX = "mx1.example.org[192.0.2.1]:25"


def message(*recipients: RecipientFacts, origin: Origin | None = None) -> MessageFacts:
    return MessageFacts(
        number=29,
        accepted_at=T0,
        reverse_path=ANI,
        recipients=recipients,
        origin=origin
        or Origin("ESMTPSA", "submission", "198.51.100.7", 40000, "laptop", "ani@example.com", SEALED),
        size=12345,
        subject="Laporan",
        message_id="<1@example.com>",
    )


ACCEPTED = Event(number=29, kind=EventKind.ACCEPTED, at=T0)


def attempt(
    at: float, kind: OutcomeKind, cause: Cause, stage: Stage, reply: Reply | None, **more: object
) -> Outcome:
    values: dict[str, object] = {"road": "mx", "host": MX, "tls": SEALED, **more}
    return Outcome(kind=kind, cause=cause, at=at, stage=stage, reply=reply, **values)  # type: ignore[arg-type]


def attempted(
    outcome: Outcome, recipient: int = 0, fate: Fate | None = None, next_at: float | None = None
) -> Event:
    return Event(
        number=29,
        kind=EventKind.ATTEMPTED,
        at=outcome.at,
        recipient=recipient,
        outcome=outcome,
        fate=fate,
        cause=outcome.cause,
        next_at=next_at,
    )


def handed_over() -> tuple[MessageFacts, list[Event]]:
    """Greylisted first, then taken."""
    again = attempt(
        T0 + 1,
        OutcomeKind.DEFERRED,
        Cause.GREYLISTED,
        Stage.RCPT,
        Reply(450, "4.7.1", ("Greylisted, come back",)),
    )
    taken = attempt(
        T0 + 301, OutcomeKind.HANDED_OVER, Cause.OK, Stage.BODY, Reply(250, "2.0.0", ("queued as A1",))
    )
    facts = message(RecipientFacts(index=0, address=BUDI, fate=Fate.HANDED_OVER, attempts=2))
    return facts, [
        ACCEPTED,
        attempted(again, next_at=T0 + 301),
        attempted(taken, fate=Fate.HANDED_OVER),
    ]


def refused_and_waiting() -> tuple[MessageFacts, list[Event]]:
    """One recipient refused for good and told; the other possibly delivered, trying again."""
    refused = attempt(
        T0 + 1,
        OutcomeKind.FAILED,
        Cause.UNKNOWN_USER,
        Stage.RCPT,
        Reply(550, "5.1.1", ("No such user", "see https://example.org/\x1b[31mhelp")),
        tls=UNPROVEN,
    )
    lost = attempt(
        T0 + 2,
        OutcomeKind.DEFERRED,
        Cause.LOST_REPLY,
        Stage.BODY,
        None,
        tls=None,
        plaintext_fallback=True,
        possibly_delivered=True,
        detail="the connection was reset",
    )
    facts = message(
        RecipientFacts(index=0, address=BUDI, fate=Fate.BOUNCED, attempts=1),
        RecipientFacts(
            index=1, address=CITRA, next_at=T0 + 600, attempts=1, wanted=Address("c", "example.com")
        ),
    )
    return facts, [
        ACCEPTED,
        attempted(refused, fate=Fate.BOUNCED),
        Event(number=29, kind=EventKind.NOTICE_SENT, at=T0 + 3, recipient=0, other=30),
        attempted(lost, 1, next_at=T0 + 600),
    ]


def held() -> tuple[MessageFacts, list[Event]]:
    """Held by a person before the first attempt, from a program on this machine."""
    facts = message(
        RecipientFacts(index=0, address=BUDI, held="unusual sending."), origin=Origin("LOCAL", "local")
    )
    return facts, [
        ACCEPTED,
        Event(number=29, kind=EventKind.HELD, at=T0 + 5, by="admin", reason="unusual sending."),
    ]


def expired() -> tuple[MessageFacts, list[Event]]:
    """Five days without an answer."""
    dead = attempt(
        T0 + 60,
        OutcomeKind.DEFERRED,
        Cause.TIMEOUT,
        Stage.CONNECT,
        None,
        tls=None,
        detail="no answer within 30 seconds",
    )
    facts = message(RecipientFacts(index=0, address=BUDI, fate=Fate.EXPIRED, attempts=9))
    return facts, [
        ACCEPTED,
        attempted(dead, next_at=T0 + 400),
        Event(
            number=29,
            kind=EventKind.EXPIRED,
            at=T0 + 432000,
            recipient=0,
            fate=Fate.EXPIRED,
            cause=Cause.EXPIRED,
        ),
    ]


STORIES = {
    "handed_over": handed_over,
    "refused_and_waiting": refused_and_waiting,
    "held": held,
    "expired": expired,
}
