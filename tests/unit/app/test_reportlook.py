"""Is a source ours?  By our addresses and by SPF, with names that are proven only, and in bounded time."""

from kurir.app.operating import reportlook
from kurir.config import Config
from kurir.reports import AggregateReport, KeptAggregate, PublishedPolicy, Row, digest
from tests.unit.senderauth.zones import TIMEOUT, Zones

ZONE = {
    "our.test": [("TXT", b"v=spf1 ip4:192.0.2.1 include:spf.far.test -all")],
    "spf.far.test": [("TXT", b"v=spf1 ip4:198.51.100.0/24 -all")],
    "1.2.0.192.in-addr.arpa": [("PTR", "mail.our.test")],
    "mail.our.test": [("A", "192.0.2.1")],
    "66.2.0.192.in-addr.arpa": [("PTR", "mail.our.test")],  # anybody can say so
    "7.100.51.198.in-addr.arpa": [(TIMEOUT, None)],
}


async def test_sources_are_looked_up(tmp_path):
    config = Config.model_validate(
        {
            "server": {"hostname": "mail.our.test", "state": tmp_path, "addresses": ["203.0.113.5"]},
            "listen": {"smtp": ["0.0.0.0:25", "[2001:db8::5]:25"]},
            "domains": {"our.test": {}},
        }
    )
    ips = ("192.0.2.1", "192.0.2.66", "198.51.100.7", "203.0.113.5", "2001:db8::5", "no address")
    rows = tuple(Row(ip, 9, "none", "fail", "fail", "our.test") for ip in ips)
    report = AggregateReport("far", "", "1", 0, 1, PublishedPolicy("our.test"), rows)
    (found,) = digest([KeptAggregate(report, 0.0)])
    names = await reportlook.judged(config, [found], Zones(ZONE))
    assert {ip: name for ip, name in names.items() if name} == {"192.0.2.1": "mail.our.test"}
    assert {s.ip: s.listed for s in found.sources} == {
        "192.0.2.1": "ip4:192.0.2.1", "192.0.2.66": "", "198.51.100.7": "include:spf.far.test", "203.0.113.5": "own",
        "2001:db8::5": "own", "no address": "",
    }  # fmt: skip
