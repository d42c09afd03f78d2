"""What a test of a road tells a person who mistook a port, a scheme or a certificate."""

from pathlib import Path

import pytest

from kurir.app.operating.roadlook import GREETING, hint_of, impatient
from kurir.cli.roadplan import choose_service
from kurir.config import Config
from kurir.delivery import DeliverySettings, NextHop, parse_next_hop
from kurir.delivery.connecting.opening import _most_telling
from kurir.delivery.connecting.session import Trouble
from kurir.model import Cause, Reply, Stage

START = parse_next_hop("smtp://mail.example:587?tls=require")
AT_ONCE = parse_next_hop("smtps://mail.example:465")
SILENT = Trouble(stage=Stage.BANNER, cause=Cause.TIMEOUT)
NOT_TLS = Trouble(stage=Stage.TLS, cause=Cause.TLS_FAILED)
STRANGER = Trouble(stage=Stage.TLS, cause=Cause.TLS_UNTRUSTED)
NAKED = Trouble(stage=Stage.TLS, cause=Cause.TLS_REQUIRED)
NOBODY = Trouble(stage=Stage.CONNECT, cause=Cause.UNREACHABLE)


@pytest.mark.parametrize(
    ("trouble", "hop", "hint"),
    [
        (SILENT, START, "implicit"),
        (SILENT, AT_ONCE, ""),
        (NOT_TLS, AT_ONCE, "starttls"),
        (NOT_TLS, START, ""),
        (STRANGER, START, "untrusted"),
        (STRANGER, AT_ONCE, "untrusted"),
        (NAKED, START, "clear"),
        (NOBODY, START, ""),
        (Trouble(stage=Stage.BANNER, cause=Cause.BUSY, reply=Reply.of(421, "4.3.2", "later")), START, ""),
    ],
)
def test_a_trouble_hints_at_its_usual_mistake(trouble: Trouble, hop: NextHop, hint: str) -> None:
    assert hint_of(trouble, hop) == hint


def test_a_person_waits_less_for_a_greeting_than_mail_does() -> None:
    usual = DeliverySettings(hello_name="our.test", routes=())
    assert usual.timeouts.banner > GREETING
    times = impatient(usual).timeouts
    assert (times.banner, times.hello, times.final_dot) == (GREETING, GREETING, usual.timeouts.final_dot)


def test_who_answered_is_told_of_before_who_was_not_there() -> None:
    for troubles in ([STRANGER, NOBODY], [NOBODY, STRANGER]):
        assert _most_telling(troubles) is STRANGER


def test_the_atlas_knows_a_service_by_its_address(tmp_path: Path) -> None:
    config = Config.model_validate(
        {"server": {"hostname": "our.test", "state": tmp_path}, "domains": {"our.test": {}}}
    )
    url = "smtp://smtp-relay.brevo.com:587?tls=require"
    service = choose_service(config, None, url, "", talk=False)
    assert service is not None
    assert service.name == "brevo"
    assert choose_service(config, None, "smtp://mail.isp.example", "", talk=False) is None
