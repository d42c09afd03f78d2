"""The resolver against name servers that lie, stall, cut and loop."""

import asyncio

import dns.message
import dns.rrset
import pytest

from kurir.net import CachingResolver, DnsStatus, Endpoint, ResolverSettings
from kurir.net.dns import MAX_ALIASES, nameservers, read_reply

from .lyingdns import SOA, lying, rrset


class Clock:
    def __init__(self):
        self.time = 1000.0

    def __call__(self):
        return self.time


def resolver(*servers, clock=None, **settings):
    settings = {"try_timeout": 1.5, "deadline": 10.0, "rounds": 1, **settings}
    return CachingResolver(
        ResolverSettings(
            nameservers=tuple(s if isinstance(s, str) else s.address for s in servers), **settings
        ),
        clock=clock or Clock(),
    )


def ask(run, script, question, **settings):
    async def main():
        async with lying(script) as server:
            return await question(resolver(server, **settings))

    return run(main())


def says(**reply):
    return lambda name, rdtype, tcp: reply


def test_one_damaged_tlsa_record_leaves_the_others(run):
    """RFC 6698 section 4.1: it is of no use, that is all; no mail waits for it."""
    script = says(answer=["_25._tcp.a.example. 300 IN TLSA 3 1 1 " + "00ff" * n for n in (16, 10)])
    answer = ask(run, script, lambda r: r.tlsa("_25._tcp.a.example"))
    assert answer.status is DnsStatus.OK
    assert sorted(len(record[3]) for record in answer.records) == [20, 32]


def test_records_of_each_type(run):
    records = {
        "MX": ["example. 300 IN MX 10 B.example.", "example. 300 IN MX 5 a.example."],
        "A": ["example. 300 IN A 192.0.2.1"],
        "AAAA": ["example. 300 IN AAAA 2001:db8::1"],
        "TXT": ['example. 300 IN TXT "v=spf1 " "-all"', "example. 300 IN TXT other"],
        "PTR": ["1.2.0.192.in-addr.arpa. 300 IN PTR mail.example."],
        "TLSA": ["_25._tcp.a.example. 300 IN TLSA 3 1 1 " + "00ff" * 16],
    }

    def script(name, rdtype, tcp):
        return {"answer": records[rdtype]}

    async def question(r):
        return (
            await r.mx("Example."),
            *(await r.addresses("example")),
            await r.txt("example"),
            await r.ptr("192.0.2.1"),
            await r.tlsa("_25._tcp.a.example"),
        )

    answers = ask(run, script, question)
    assert {a.status for a in answers} == {DnsStatus.OK}
    mx, a, aaaa, txt, ptr, tlsa = (x.records for x in answers)
    assert sorted(mx) == [(5, "a.example"), (10, "b.example")]
    assert (a, aaaa) == (("192.0.2.1",), ("2001:db8::1",))
    assert sorted(txt) == [b"other", b"v=spf1 -all"]
    assert ptr == ("mail.example",)
    assert tlsa == ((3, 1, 1, b"\x00\xff" * 16),)
    assert not any(x.authentic for x in answers)


def test_null_mx(run):
    answer = ask(run, says(answer=["example. 300 IN MX 0 ."]), lambda r: r.mx("example"))
    assert answer.records == ((0, ""),)


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        ({"rcode": "NXDOMAIN", "authority": [SOA]}, DnsStatus.NXDOMAIN),
        ({"rcode": "NXDOMAIN"}, DnsStatus.NXDOMAIN),
        ({"authority": [SOA]}, DnsStatus.NODATA),
        ({}, DnsStatus.NODATA),
        ({"rcode": "SERVFAIL"}, DnsStatus.SERVFAIL),
        ({"rcode": "REFUSED"}, DnsStatus.SERVFAIL),
        ({"rcode": "NOTIMP"}, DnsStatus.SERVFAIL),
        ({"rcode": "FORMERR"}, DnsStatus.SERVFAIL),
        (
            {"authority": ["example. 300 IN NS ns.example."], "ra": False},
            DnsStatus.SERVFAIL,
        ),  # a lame referral
        ({"answer": ["other. 300 IN MX 10 evil."]}, DnsStatus.NODATA),  # records of another name do not count
    ],
)
def test_statuses(run, reply, status):
    answer = ask(run, says(**reply), lambda r: r.mx("example"))
    assert (answer.status, answer.records) == (status, ())


@pytest.mark.parametrize("said", [None, b"", b"\x00garbage", b"\xff" * 300])
def test_silence_and_garbage_are_a_timeout(run, said):
    answer = ask(run, lambda *_: said, lambda r: r.mx("example"), try_timeout=0.1)
    assert answer.status is DnsStatus.TIMEOUT


def test_answers_with_a_wrong_id_are_ignored(run):
    answer = ask(run, says(answer=["example. 300 IN MX 1 evil."], wrong_id=True), lambda r: r.mx("example"))
    assert answer.status is DnsStatus.TIMEOUT


def test_truncation_is_asked_again_over_tcp(run):
    many = [f"example. 300 IN MX {i} host{i}.example." for i in range(100)]

    def script(name, rdtype, tcp):
        return {"answer": many} if tcp else {"flags": ["TC"]}

    async def question(r):
        return await r.mx("example")

    assert len(ask(run, script, question).records) == 100


def test_failover_to_the_next_nameserver(run):
    async def main():
        good = says(answer=["example. 300 IN A 192.0.2.1"])
        for bad in (says(rcode="SERVFAIL"), says(rcode="REFUSED"), lambda *_: None):
            async with lying(bad) as first, lying(good) as second:
                r = resolver(first, second)
                answer, _ = await r.addresses("example")
                assert answer.records == ("192.0.2.1",)
                assert first.asked

    run(main())


def test_a_dead_nameserver_does_not_hide_a_living_one(run):
    async def main():
        async with lying(says(rcode="NXDOMAIN", authority=[SOA])) as second:
            r = resolver("127.0.0.1:1", second)
            assert (await r.mx("example")).status is DnsStatus.NXDOMAIN

    run(main())


def test_no_nameserver_at_all(run, tmp_path):
    async def main():
        r = CachingResolver(ResolverSettings(resolv_conf=tmp_path / "none"), clock=Clock())
        assert r.servers == ()
        assert (await r.mx("example")).status is DnsStatus.SERVFAIL

    run(main())


# -- aliases ------------------------------------------------------------------------------------


def test_alias_followed_by_the_nameserver(run):
    answer = ask(
        run,
        says(answer=["www.example. 60 IN CNAME host.example.", "host.example. 300 IN A 192.0.2.9"]),
        lambda r: r.addresses("www.example"),
    )[0]
    assert (answer.records, answer.canonical, answer.ttl) == (("192.0.2.9",), "host.example", 60)


def test_alias_we_follow_ourselves(run):
    def script(name, rdtype, tcp):
        if name == "www.example":
            return {"answer": ["www.example. 60 IN CNAME host.example."]}
        return {"answer": ["host.example. 30 IN A 192.0.2.9"]} if rdtype == "A" else {"authority": [SOA]}

    a, aaaa = ask(run, script, lambda r: r.addresses("www.example"))
    assert (a.records, a.canonical, a.ttl) == (("192.0.2.9",), "host.example", 30)
    assert (aaaa.status, aaaa.canonical) == (DnsStatus.NODATA, "host.example")


def test_alias_to_nowhere_keeps_the_status_of_its_end(run):
    reply = {"rcode": "NXDOMAIN", "answer": ["a.example. 60 IN CNAME b.example."], "authority": [SOA]}
    answer = ask(run, says(**reply), lambda r: r.mx("a.example"))
    assert (answer.status, answer.canonical) == (DnsStatus.NXDOMAIN, "b.example")


@pytest.mark.parametrize("told_at_once", [True, False])
def test_alias_loops_end_as_a_failure(run, told_at_once):
    def script(name, rdtype, tcp):
        both = ["a.example. 60 IN CNAME b.example.", "b.example. 60 IN CNAME a.example."]
        return {"answer": both if told_at_once else [r for r in both if r.startswith(name)]}

    assert ask(run, script, lambda r: r.mx("a.example")).status is DnsStatus.SERVFAIL


def test_endless_alias_chain_is_bounded(run):
    async def main():
        def script(name, rdtype, tcp):
            number = int(name.partition(".")[0])
            return {"answer": [f"{name}. 60 IN CNAME {number + 1}.example."]}

        async with lying(script) as server:
            assert (await resolver(server).mx("0.example")).status is DnsStatus.SERVFAIL
            assert len(server.asked) <= MAX_ALIASES + 1

    run(main())


# -- AD bit ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trusted", "flags", "authentic"), [(True, "AD", True), (False, "AD", False), (True, "RA", False)]
)
def test_ad_bit_counts_only_from_the_trusted(trusted, flags, authentic):
    query = dns.message.make_query("example", "A")
    reply = dns.message.make_response(query)
    reply.flags |= dns.flags.from_text(flags)
    reply.answer.append(rrset("example. 60 IN A 192.0.2.1"))
    answer, alias = read_reply(reply, "example", "A", trusted=trusted)
    assert (answer.authentic, alias) == (authentic, None)


def test_loopback_nameserver_is_trusted_for_ad(run):
    answer = ask(
        run, says(answer=["example. 60 IN MX 1 a.example."], flags=["AD"]), lambda r: r.mx("example")
    )
    assert answer.authentic


def test_an_insecure_alias_makes_the_whole_chain_insecure(run):
    def script(name, rdtype, tcp):
        if name == "a.example":
            return {"answer": ["a.example. 60 IN CNAME b.example."]}
        return {"answer": ["b.example. 60 IN MX 1 c.example."], "flags": ["AD"]}

    assert not ask(run, script, lambda r: r.mx("a.example")).authentic


# -- cache ----------------------------------------------------------------------------------------


def counted(run, script, steps, **settings):
    """Run `steps(resolver, clock)` and return how many questions the server got."""

    async def main():
        clock = Clock()
        async with lying(script) as server:
            r = resolver(server, clock=clock, **settings)
            await steps(r, clock)
            return len(server.asked)

    return run(main())


def test_ttl_counts_down_and_expires(run):
    async def steps(r, clock):
        assert (await r.mx("example")).ttl == 300
        clock.time += 299
        assert (await r.mx("EXAMPLE.")).ttl == 1
        clock.time += 1
        assert (await r.mx("example")).ttl == 300

    assert counted(run, says(answer=["example. 300 IN MX 1 a.example."]), steps) == 2


@pytest.mark.parametrize(
    ("reply", "settings", "lives"),
    [
        ({"answer": ["example. 0 IN MX 1 a.example."]}, {"min_ttl": 5}, 5),
        ({"answer": ["example. 999999 IN MX 1 a.example."]}, {"max_ttl": 100}, 100),
        ({"rcode": "NXDOMAIN", "authority": [SOA]}, {}, 4),  # the MINIMUM of the SOA, RFC 2308 section 5
        ({"authority": [SOA.replace(" 300 ", " 3 ")]}, {}, 3),  # or its TTL where that is less
        ({"rcode": "NXDOMAIN"}, {}, 1),  # nothing says how long: min_ttl
        ({"rcode": "SERVFAIL"}, {}, 5),
    ],
)
def test_how_long_answers_live(run, reply, settings, lives):
    reply = {
        k: [t.replace(" 3 4 60", " 3 4 4") for t in v] if k == "authority" else v for k, v in reply.items()
    }

    async def steps(r, clock):
        await r.mx("example")
        clock.time += lives - 0.5
        await r.mx("example")
        clock.time += 1
        await r.mx("example")

    assert counted(run, says(**reply), steps, **settings) == 2


def test_the_cache_is_bounded_and_forgets_the_least_used(run):
    def script(name, rdtype, tcp):
        return {"answer": [f"{name}. 300 IN MX 1 a.example."]}

    async def steps(r, clock):
        for name in ("a.example", "b.example", "a.example", "c.example", "a.example", "b.example"):
            await r.mx(name)
        assert len(r._cache) == 2

    assert counted(run, script, steps, cache_size=2) == 4


def test_the_same_question_at_once_is_asked_once(run):
    async def steps(r, clock):
        first = asyncio.ensure_future(r.mx("example"))
        others = [asyncio.ensure_future(r.mx("example")) for _ in range(20)]
        await asyncio.sleep(0)
        first.cancel()  # one who gives up takes nothing from the others
        answers = await asyncio.gather(*others)
        assert {a.status for a in answers} == {DnsStatus.OK}

    assert counted(run, says(answer=["example. 300 IN MX 1 a.example."]), steps) == 1


@pytest.mark.parametrize(
    "name", ["", ".", "a..example", "x" * 64 + ".example", "a." * 200, "[192.0.2.1]", "192.0.2.1", "\u3002"]
)
def test_names_that_cannot_exist_are_not_asked_for(run, name):
    async def steps(r, clock):
        assert (await r.mx(name)).status is DnsStatus.NXDOMAIN

    assert counted(run, says(), steps) == 0


def test_the_whole_lookup_has_a_deadline(run):
    async def main():
        async with lying(lambda *_: None) as server:
            r = resolver(server, try_timeout=5.0, deadline=0.1)
            assert (await r.mx("example")).status is DnsStatus.TIMEOUT

    run(main())


def test_nameserver_spellings(tmp_path):
    spelled = ("192.0.2.1", "192.0.2.1:5353", "::1", "[::1]:5300", "[::1]")
    assert nameservers(ResolverSettings(nameservers=spelled)) == (
        Endpoint("192.0.2.1", 53),
        Endpoint("192.0.2.1", 5353),
        Endpoint("::1", 53),
        Endpoint("::1", 5300),
        Endpoint("::1", 53),
    )
    for wrong in ("ns.example", "192.0.2.1:x", "192.0.2.1:0", "192.0.2.1:70000", ""):
        with pytest.raises(ValueError, match="nameserver"):
            nameservers(ResolverSettings(nameservers=(wrong,)))
    conf = tmp_path / "resolv.conf"
    conf.write_text("search x\nnameserver 192.0.2.7\nnameserver 2001:db8::7\n")
    assert nameservers(ResolverSettings(resolv_conf=conf)) == (
        Endpoint("192.0.2.7", 53),
        Endpoint("2001:db8::7", 53),
    )
