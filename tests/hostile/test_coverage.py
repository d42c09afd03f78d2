"""Each group of the catalogue is tested somewhere, or says why not."""

import re
from collections import Counter
from pathlib import Path

from . import (
    catalogue_a_framing,
    catalogue_c_envelope,
    catalogue_d_auth,
    catalogue_e_bdat,
    catalogue_f_content,
)
from .cases import Case
from .coverage import ELSEWHERE

ROOT = Path(__file__).resolve().parents[2]
GROUPS = range(1, 108)
TABLES: tuple[Case, ...] = (
    *catalogue_a_framing.CASES, *catalogue_c_envelope.CASES, *catalogue_d_auth.CASES, *catalogue_d_auth.ON_PORT_25,
    *catalogue_e_bdat.CASES, *catalogue_f_content.CASES,
)  # fmt: skip


def test_every_group_has_its_place() -> None:
    missing = set(GROUPS) - {case.group for case in TABLES} - set(ELSEWHERE)
    assert missing == set()
    assert {case.group for case in TABLES} | set(ELSEWHERE) <= set(GROUPS)


def test_every_test_that_is_named_exists() -> None:
    for group, places in ELSEWHERE.items():
        for place in places:
            if place.startswith("later: "):
                continue
            file, _, function = place.partition("::")
            assert re.search(rf"^(?:async )?def {function}\(", (ROOT / file).read_text(), re.MULTILINE), (
                group,
                place,
            )


def test_names_of_cases_are_unique_and_there_are_enough_inputs() -> None:
    twice = [title for title, count in Counter(case.title for case in TABLES).items() if count > 1]
    assert twice == []
    assert len(TABLES) >= 250
