"""Every reason has its sentence in both languages, and its values fill it."""

from enum import Enum

import pytest

from kurir.senderauth.dmarc import AuthorProblem, DmarcReason, DmarcVerdict
from kurir.senderauth.iprev import ReverseReason, ReverseVerdict
from kurir.senderauth.screening import Action, TreatmentReason
from kurir.senderauth.spf import SpfIdentity, SpfReason, SpfVerdict
from kurir.trace.explain import Catalogue
from kurir.trace.explain.catalogue import LANGUAGES, placeholders

CATALOGUE = Catalogue.load()


def _of(reason: Enum) -> SpfVerdict | DmarcVerdict | ReverseVerdict:
    if isinstance(reason, SpfReason):
        return SpfVerdict(reason, SpfIdentity.MAIL_FROM, "a.example", "b@a.example", "192.0.2.1")
    if isinstance(reason, DmarcReason):
        return DmarcVerdict(reason, "a.example", detail="b.example")
    assert isinstance(reason, ReverseReason)
    return ReverseVerdict(reason, "192.0.2.1")


@pytest.mark.parametrize("reason", [*SpfReason, *DmarcReason, *ReverseReason], ids=str)
def test_every_reason_has_its_sentence(reason: Enum) -> None:
    verdict = _of(reason)
    for lang in LANGUAGES:
        template = CATALOGUE._texts[lang][verdict.key]
        assert placeholders(template) <= set(verdict.values)
        assert CATALOGUE.text(lang, verdict.key, **verdict.values).endswith(".")


def test_every_sentence_has_its_reason() -> None:
    known = {f"{room}.{r.value}" for room, rs in _ROOMS.items() for r in rs}
    rooms = tuple(f"{room}." for room in _ROOMS)
    assert {key for key in CATALOGUE.keys("en") if key.startswith(rooms)} == known


_ROOMS: dict[str, type[Enum]] = {"spf": SpfReason, "dmarc": DmarcReason, "iprev": ReverseReason}


def test_every_treatment_has_its_sentences() -> None:
    wanted = {f"screening.{r.value}" for r in TreatmentReason if r is not TreatmentReason.ORDINARY}
    wanted |= {f"screening.action.{action.value}" for action in Action}
    for lang in LANGUAGES:
        assert {key for key in CATALOGUE.keys(lang) if key.startswith("screening.")} == wanted
        for key in wanted:
            assert placeholders(CATALOGUE._texts[lang][key]) <= {"domain", "reason"}


def test_problems_of_authors_are_reasons() -> None:
    assert {problem.value for problem in AuthorProblem} <= {reason.value for reason in DmarcReason}
