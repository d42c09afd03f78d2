"""Handing in over the local socket: what a word of the envelope may not hold."""

import pytest

from kurir.app.operating.submit import SubmitError, submit

ENVELOPES = {
    "sender": ("a@x.test>\r\nRCPT TO:<c@y.test", ["b@x.test"], [], []),
    "recipient": ("a@x.test", ["b@x.test\nQUIT"], [], []),
    "option": ("a@x.test", ["b@x.test"], ["RET=FULL\r\nRSET"], []),
    "recipient option": ("a@x.test", ["b@x.test"], [], ["NOTIFY=NEVER\0"]),
}


@pytest.mark.parametrize(("sender", "to", "options", "rcpt_options"), ENVELOPES.values(), ids=ENVELOPES)
def test_a_control_character_is_refused_before_anything_is_sent(tmp_path, sender, to, options, rcpt_options):
    with pytest.raises(SubmitError, match="control character") as refused:
        submit(tmp_path, sender, to, b"x", options=options, rcpt_options=rcpt_options)
    assert refused.value.final
