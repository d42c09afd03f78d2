"""What a refusal means for the attempt: (stage, reply) -> final or not, the cause, when to come back.

The tables are the trace room's (`kurir.trace.replies`), so that what the hand decides and what is explained
later are one thing.  Here is only what an attempt knows beyond the words.
"""

from dataclasses import dataclass

from kurir.model import Cause, OutcomeKind, Reply, Stage
from kurir.trace.replies import classify_reply

# Refusals while a session is being set up are about this server or our login, not about a recipient:
# another host, another hour or a mended password may do, so they never end a message.
_SESSION_STAGES = frozenset({Stage.CONNECT, Stage.BANNER, Stage.HELO, Stage.TLS, Stage.AUTH})


@dataclass(frozen=True, slots=True)
class Meaning:
    """What to do with a refusal.  `retry_after` in seconds, None for the ordinary schedule; `lasting`: waiting alone is no help."""

    kind: OutcomeKind
    cause: Cause
    retry_after: float | None = None
    lasting: bool = False


def classify(stage: Stage, reply: Reply, host: str = "") -> Meaning:
    """Return what a reply means that is no success at `stage`.  Any code is legal: its first digit acts."""
    if reply.klass in (2, 3):  # said where it makes no sense: RCPT answered with 354, and the like
        return Meaning(OutcomeKind.DEFERRED, Cause.PROTOCOL_ERROR)
    verdict = classify_reply(reply.code, reply.enhanced, reply.text, stage, host=host)
    if verdict.final and stage not in _SESSION_STAGES:
        return Meaning(OutcomeKind.FAILED, verdict.cause)
    return Meaning(OutcomeKind.DEFERRED, verdict.cause, verdict.retry_after, verdict.lasting)
