"""``Kurir-Sealed``: our own people's wish that a message travels sealed or not at all (decision 0014).  Pure.

``yes`` asks for proven TLS to the next server, ``strict`` for REQUIRETLS (RFC 8689), ``no`` for nothing.  The field is
for this server alone and is cut out before the message is kept.
"""

from enum import IntEnum

from .headers import Headers

SEAL_FIELD = b"kurir-sealed"


class Seal(IntEnum):
    """How much is asked for; more is stricter."""

    NO = 0
    YES = 1
    STRICT = 2


_WORDS = {b"no": Seal.NO, b"yes": Seal.YES, b"strict": Seal.STRICT}


def seal_of(head: Headers) -> Seal | None:
    """Return the strictest wish in a header, or None where one of them cannot be understood.

    Who asks for protection in words that nobody understands must not be sent without it.
    """
    seals = [_WORDS.get(value.strip().lower()) for value in head.all(SEAL_FIELD)]
    if None in seals:
        return None
    return max((seal for seal in seals if seal is not None), default=Seal.NO)
