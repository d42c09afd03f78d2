"""Mail by MX through a name server on loopback: failover, aliases, addresses, and what DNS can prove or not."""

from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.harness import Sink
from tests.harness.dns import Names

from .servers.bodies import CASES
from .servers.office import Office, last
from .servers.peer import free_port, has_ipv6

pytestmark = pytest.mark.interop

HOSTS = {"good": "127.0.0.2", "second": "127.0.0.3", "busy": "127.0.0.4", "sick": "127.0.0.5", "six": "::1"}
DEAD = "127.0.0.9"  # nobody listens

ZONE = {
    "good.hosts.test": {"A": [HOSTS["good"]]},
    "second.hosts.test": {"A": [HOSTS["second"]]},
    "busy.hosts.test": {"A": [HOSTS["busy"]]},
    "sick.hosts.test": {"A": [HOSTS["sick"]]},
    "dead.hosts.test": {"A": [DEAD]},
    "six.hosts.test": {"AAAA": [HOSTS["six"]]},
    "both.hosts.test": {"AAAA": ["::2"], "A": [HOSTS["good"]]},
    "several.hosts.test": {"A": [DEAD, HOSTS["second"]]},
    "alias.hosts.test": {"CNAME": ["good.hosts.test."]},
    "servfail.hosts.test": "SERVFAIL",
    # domains, one for each case
    "simple.test": {"MX": ["10 good.hosts.test."]},
    "order.test": {"MX": ["20 second.hosts.test.", "10 good.hosts.test."]},
    "dead-first.test": {"MX": ["10 dead.hosts.test.", "20 good.hosts.test."]},
    "busy-first.test": {"MX": ["10 busy.hosts.test.", "20 good.hosts.test."]},
    "sick-first.test": {"MX": ["10 sick.hosts.test.", "20 good.hosts.test."]},
    "servfail-first.test": {"MX": ["10 servfail.hosts.test.", "20 good.hosts.test."]},
    "nameless-first.test": {"MX": ["10 nowhere.hosts.test.", "20 good.hosts.test."]},
    "alias-mx.test": {"MX": ["10 alias.hosts.test."]},
    "alias-domain.test": {"CNAME": ["simple.test."]},
    "address-mx.test": {"MX": ["10 127.0.0.2."]},
    "no-mx.test": {"A": [HOSTS["good"]]},
    "no-mx-six.test": {"AAAA": [HOSTS["six"]]},
    "six.test": {"MX": ["10 six.hosts.test."]},
    "both.test": {"MX": ["10 both.hosts.test."]},
    "several.test": {"MX": ["10 several.hosts.test."]},
    "many.test": {"MX": [f"10 m{i}.hosts.test." for i in range(60)] + ["20 good.hosts.test."]},
    "xn--bcher-kva.test": {"MX": ["10 good.hosts.test."]},
    "null-mx.test": {"MX": ["0 ."]},
    "nothing.test": {"TXT": ['"no mail here"']},
    "servfail.test": "SERVFAIL",
    "refused.test": "REFUSED",
    "timeout.test": "TIMEOUT",
    "all-dead.test": {"MX": ["10 dead.hosts.test."]},
    "all-nameless.test": {"MX": ["10 nowhere.hosts.test."]},
    "all-busy.test": {"MX": ["10 busy.hosts.test."]},
    "loop.test": {"MX": ["10 example.test."]},
    "loop-first.test": {"MX": ["10 example.test.", "20 good.hosts.test."]},
    "loop-last.test": {"MX": ["10 good.hosts.test.", "20 example.test."]},
    "chain.test": {"CNAME": ["chain2.test."]},
    "chain2.test": {"CNAME": ["chain.test."]},
    "example.test": {"A": ["127.0.0.1"], "MX": ["10 example.test."]},
}
for i in range(60):
    ZONE[f"m{i}.hosts.test"] = {"A": [DEAD]}


@dataclass(frozen=True)
class Case:
    """What becomes of a recipient: handed over to `host`, bounced or waiting for `cause`."""

    fate: str | None = "handed_over"
    host: str = "good"
    cause: str = "ok"
    local: str = "somebody"


CASES_BY_DOMAIN = {
    "simple.test": Case(),
    "order.test": Case(),
    "dead-first.test": Case(),
    "busy-first.test": Case(),
    "sick-first.test": Case(),
    "servfail-first.test": Case(),
    "nameless-first.test": Case(),
    "alias-mx.test": Case(),
    "alias-domain.test": Case(),
    "no-mx.test": Case(),
    "no-mx-six.test": Case(host="six"),
    "six.test": Case(host="six"),
    "both.test": Case(),
    "several.test": Case(host="second"),
    "xn--bcher-kva.test": Case(),
    "[127.0.0.2]": Case(),
    "loop-last.test": Case(),
    "null-mx.test": Case("bounced", "", "null_mx"),
    "nothing.test": Case("bounced", "", "unknown_domain"),
    "nowhere.test": Case("bounced", "", "unknown_domain"),
    "all-nameless.test": Case("bounced", "", "unknown_domain"),
    "loop.test": Case("bounced", "", "loop"),
    "loop-first.test": Case("bounced", "", "loop"),
    "servfail.test": Case(None, "", "dns_failure"),
    "refused.test": Case(None, "", "dns_failure"),
    "chain.test": Case(None, "", "dns_failure"),
    "timeout.test": Case(None, "", "dns_failure"),
    "all-dead.test": Case(None, "", "unreachable"),
    "all-busy.test": Case(None, "", "busy"),
}


class Net:
    """The name server, the mail hosts at their addresses, and the office."""

    def __init__(self, stack: ExitStack, folder) -> None:
        self.names = stack.enter_context(Names(ZONE))
        port = free_port()
        scripts = {
            "busy": lambda verb, line, attempt: b"421 4.3.2 too busy\r\n" if verb == "BANNER" else None,
            "sick": lambda verb, line, attempt: (
                b"554 5.3.0 no mail here today\r\n" if verb == "BANNER" else None
            ),
        }
        self.hosts = {
            name: stack.enter_context(Sink(scripts.get(name), host=host, port=port))
            for name, host in HOSTS.items()
            if name != "six" or has_ipv6()
        }
        net = f'[net]\nresolvers = ["{self.names.address}"]\nmx_port = {port}\nallow_loopback_peers = true\n'
        self.office = stack.enter_context(Office(folder / "office", sections=net))
        self.stories: dict[str, dict] = {}


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    with ExitStack() as stack:
        net = Net(stack, tmp_path_factory.mktemp("dns"))
        ids = {
            domain: net.office.send(f"{case.local}@{domain}", CASES["plain"].message)
            for domain, case in CASES_BY_DOMAIN.items()
        }

        def settled():
            stories = net.office.stories()
            own = [stories[id] for id in ids.values() if id in stories]
            return stories if all(r["attempts"] for m in own for r in m["recipients"]) else None

        stories = net.office.wait("an attempt of each", settled)
        net.stories = {domain: stories[id] for domain, id in ids.items()}
        yield net
        assert net.office.audit()["balanced"]


@pytest.mark.parametrize("domain", CASES_BY_DOMAIN)
def test_domain(net, domain):
    case, story = CASES_BY_DOMAIN[domain], net.stories[domain]
    if case.host == "six" and "six" not in net.hosts:
        pytest.skip("this machine has no IPv6: a host with only an AAAA record was not tried")
    step, (recipient,) = last(story), story["recipients"]
    assert (recipient["fate"], step["cause"]) == (case.fate, case.cause), step
    got = [name for name, sink in net.hosts.items() for m in sink.messages if f"@{domain}>" in m.rcpts[0]]
    assert got == ([case.host] if case.host else [])
    if case.host:
        assert f"[{HOSTS[case.host]}]" in step["host"]
    if case.fate is None:
        assert recipient["state"] == "waiting" and recipient["next_at"]


def test_what_waits_goes_when_dns_has_recovered(net):
    net.names.zone["recovers.test"] = "SERVFAIL"
    id = net.office.send("somebody@recovers.test", CASES["plain"].message)
    assert last(net.office.attempted(id))["cause"] == "dns_failure"
    net.names.zone["recovers.test"] = {"MX": ["10 good.hosts.test."]}
    assert net.office.ended(id, 40)["recipients"][0]["fate"] == "handed_over"
