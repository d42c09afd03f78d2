"""Figures of several processes become one page: amounts are added, dates and maxima are not."""

from kurir.web.metrics import Figures, render


def test_amounts_are_added_and_dates_are_not() -> None:
    parts = [
        Figures(
            role="reception", pid=pid,
            counters={"kurir_sessions{listener=mx}": 2.0},
            gauges={
                "kurir_open_sessions": 3.0, "kurir_certificate_expires_seconds": 1.7e9 + pid,
                "kurir_reception_loop_lag_max_seconds": 0.1 * pid,
            },
        )
        for pid in (1, 2)
    ]  # fmt: skip
    lines = render(parts).decode().splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert float(values['kurir_sessions_total{listener="mx"}']) == 4
    assert float(values["kurir_open_sessions"]) == 6
    assert float(values["kurir_certificate_expires_seconds"]) == 1.7e9 + 1, (
        "the certificate of one process, not a sum of dates"
    )
    assert float(values["kurir_reception_loop_lag_max_seconds"]) == 0.2
