"""Every reason and every step can be told in both languages."""

import pytest

from kurir.senderauth.arc import ArcReason, ArcVerdict
from kurir.senderauth.dkim import Algorithm, Decision, DkimReason, DkimVerdict, Step
from kurir.trace.explain import Catalogue
from kurir.trace.explain.catalogue import LANGUAGES

CATALOGUE = Catalogue.load()


@pytest.mark.parametrize("lang", LANGUAGES)
def test_everything_has_its_sentence(lang):
    verdicts = [DkimVerdict(reason) for reason in DkimReason] + [ArcVerdict(reason) for reason in ArcReason]
    for verdict in verdicts:
        text = CATALOGUE.text(lang, verdict.key, **verdict.values)
        assert text[0].isupper() and text.endswith(".") and "{" not in text
    for step in Step:
        assert CATALOGUE.text(lang, Decision(step, "k1", Algorithm.RSA).key, selector="k1").strip()


def test_no_sentence_without_a_reason():
    known = {DkimVerdict(r).key for r in DkimReason} | {ArcVerdict(r).key for r in ArcReason}
    known |= {Decision(s, "", Algorithm.RSA).key for s in Step}
    assert {k for k in CATALOGUE.keys("en") if k.startswith(("dkim.", "arc."))} == known
