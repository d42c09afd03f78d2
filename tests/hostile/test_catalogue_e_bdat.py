"""Every case of catalogue E, over every transport, in every segmentation; then the mailboxes are reckoned up."""

import pytest

from .cases import Case, Transport
from .catalogue_e_bdat import CASES
from .playing import ids, play_all, play_every_split
from .stage import Stage, every


@pytest.mark.parametrize(("case", "transport"), every(CASES), ids=ids)
def test_bdat(stage: Stage, case: Case, transport: Transport) -> None:
    play_all(stage, case, transport)


@pytest.mark.full
@pytest.mark.parametrize(("case", "transport"), every(CASES), ids=ids)
def test_bdat_split_everywhere(stage: Stage, case: Case, transport: Transport) -> None:
    play_every_split(stage, case, transport)


def test_what_was_stored(stage: Stage) -> None:
    assert stage.reckon() == []
