"""Databases that several processes have open at once."""

from contextlib import closing
from pathlib import Path

import apsw
import pytest

from kurir.delivery.tlspolicy import Acceptance
from kurir.storage import Layout, SqliteTls
from tests.unit.storage.mail import StandingClock


def test_who_closes_while_another_process_copies_the_log_closes(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    ending = SqliteTls(layout, StandingClock())
    with (
        closing(apsw.Connection(str(layout.tls))) as other,
        closing(apsw.Connection(str(layout.tls))) as in_the_way,
    ):
        in_the_way.execute("BEGIN")
        for both in (in_the_way, other):  # SQLite opens a file when it is first read
            both.execute("SELECT count(*) FROM acceptance").fetchall()
        ending.accept(Acceptance("mx.far.test", until=2e9))
        closed = []

        def meanwhile(_tries: int) -> bool:
            ending.close()
            closed.append(True)
            return False

        other.set_busy_handler(meanwhile)
        with pytest.raises(apsw.BusyError):
            other.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)
        assert closed
