"""The reply that refuses a recipient on the suppression list: one line of ASCII, whatever words were stored."""

import pytest

from kurir.model import Cause
from kurir.reception.replies import cause_of, suppressed
from kurir.suppression import Entry

WORDS = {
    "moved away": "root put it there: moved away - if",
    "one\r\n250 2.1.5 two": "root put it there: one 250 2.1.5 two - if",
    "pindah – é": "root put it there: pindah ? ? - if",
}


@pytest.mark.parametrize(("words", "told"), WORDS.items(), ids=list(WORDS.values()))
def test_words_stay_one_line_of_ascii(words: str, told: str) -> None:
    entry = Entry(
        address="gone@far.test",
        cause=Cause.SUPPRESSED,
        words=words,
        source=None,
        by="root",
        since=0.0,
        until=None,
    )
    reply = suppressed(entry)
    sent = reply.render()
    assert told in sent.decode("ascii")
    assert sent.count(b"\r\n") == 1
    assert cause_of(reply) is Cause.SUPPRESSED
