"""What `kurir tls` calls a server."""

from dataclasses import replace

import pytest

from kurir.cli.commands.tls import _lines, _title
from kurir.delivery import DomainExam, HostExam
from kurir.delivery.tlspolicy import (
    Demand,
    Need,
    PolicyFacts,
    Reason,
    Remembered,
    Strength,
    StsFacts,
    Validation,
)
from kurir.model import TlsFacts

LOOSE = Demand(Need.OPPORTUNISTIC, Reason.OPPORTUNISTIC, clear=True)


def exam(host: str, address: str) -> HostExam:
    tls = TlsFacts("TLSv1.3", "TLS_AES_256_GCM_SHA384", None, "it is signed by itself, not by an authority")
    facts = PolicyFacts(domain="example.net", host=host, now=0.0)
    return HostExam(host=host, address=address, facts=facts, demand=LOOSE, reached=True, tls=tls, sent=True)


@pytest.mark.parametrize(
    ("host", "address", "title"),
    [
        ("mx.example.net", "192.0.2.1", "mx.example.net [192.0.2.1]"),
        ("mx.example.net", "", "mx.example.net"),
        ("", "/srv/play/run/sandbox.sock", "the sandbox"),
        ("", "/run/dovecot/lmtp", "unix:/run/dovecot/lmtp"),
    ],
)
def test_a_server_is_called_by_its_name_or_what_it_is(host: str, address: str, title: str) -> None:
    assert _title(exam(host, address)) == title


@pytest.mark.parametrize(
    ("host", "said"),
    [("mx.example.net", "does not prove the name mx.example.net: "), ("", "proves nothing: ")],
)
def test_what_has_no_name_proves_nothing(host: str, said: str) -> None:
    found = DomainExam(
        domain="example.net", road="mx", kind="mx", validation=Validation.OFF, sts=StsFacts(),
        hosts=(exam(host, "/srv/play/run/sandbox.sock"),),
    )  # fmt: skip
    assert f"  Its certificate {said}it is signed by itself, not by an authority." in _lines(found)


def test_what_is_not_reached_is_not_sent_for_no_other_reason() -> None:
    away = replace(exam("mx.example.net", "192.0.2.1"), reached=False, sent=False, trouble="no answer")
    found = DomainExam(
        domain="example.net", road="mx", kind="mx", validation=Validation.OFF, sts=StsFacts(), hosts=(away,)
    )
    assert _lines(found)[-2:] == ["  Not reached: no answer", "  Mail would NOT be sent to it now."]


@pytest.mark.parametrize(
    ("demand", "helps"),
    [(LOOSE, True), (Demand(Need.NAME, Reason.STS), False), (Demand(Need.DANE, Reason.DANE), False)],
)
def test_accepting_is_named_only_where_it_helps(demand: Demand, helps: bool) -> None:
    host = exam("mx.example.net", "192.0.2.1")
    memory = Remembered(host.host, Strength.NAME, 1.0, 2.0, "validity", 3.0, 3.0)
    facts = replace(host.facts, memory=memory, accepted=not helps)
    found = DomainExam(
        domain="example.net", road="mx", kind="mx", validation=Validation.OFF, sts=StsFacts(),
        hosts=(replace(host, facts=facts, demand=demand),),
    )  # fmt: skip
    said = "\n".join(_lines(found))
    assert ("If that is wanted: kurir tls accept example.net" in said) is helps
    assert ("accepting it does not help" in said) is not helps
