"""Each mechanism as a table of turns, SCRAM against our own client, and garbage."""

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kurir.identity import Account, scram_verifier
from kurir.identity.sasl import MECHANISMS, Challenge, Failure, NeedsPassword, SaslContext, Success, begin
from kurir.identity.sasl.client import ScramClientMechanism, ServerUnproven, choose

ENDPOINT = b"e" * 32


def counting(count: int) -> bytes:
    return bytes(range(count))


ACCOUNT = Account(
    "a@x.example", ("a@x.example",), "", scram=scram_verifier("secret word", counting, iterations=4096)
)
CONTEXT = SaslContext({"a@x.example": ACCOUNT}.get, b"s" * 32, counting)

TURNS = [
    ("PLAIN", [b"\0a@x.example\0pw"], NeedsPassword("a@x.example", "pw")),
    ("PLAIN", [None, b"A@x.example\0a@x.example\0pw"], NeedsPassword("a@x.example", "pw")),
    ("PLAIN", [b"b@x.example\0a@x.example\0pw"], Failure),
    ("PLAIN", [b""], Failure),
    ("PLAIN", [b"\0a@x.example"], Failure),
    ("PLAIN", [b"\0a@x.example\0p\0w"], Failure),
    ("PLAIN", [b"\0\0pw"], Failure),
    ("PLAIN", [b"\0a\0"], Failure),
    ("PLAIN", [b"\0a\0\xff"], Failure),
    ("PLAIN", [b"\0a\0" + b"x" * 1025], Failure),
    ("LOGIN", [None, b"a@x.example", b"pw"], NeedsPassword("a@x.example", "pw")),
    ("LOGIN", [b"a@x.example", b"pw"], NeedsPassword("a@x.example", "pw")),
    ("LOGIN", [None, b""], Failure),
    ("LOGIN", [b"a", b""], Failure),
    ("LOGIN", [b"a\0b"], Failure),
    ("LOGIN", [b"a", b"x" * 1025], Failure),
    ("SCRAM-SHA-256-PLUS", [b"n,,n=a,r=x"], Failure),
    ("SCRAM-SHA-256", [b"p=tls-server-end-point,,n=a,r=x"], Failure),
    ("SCRAM-SHA-256", [b"n,a=b@x.example,n=a@x.example,r=x"], Failure),
    ("SCRAM-SHA-256", [b"x" * 5000], Failure),
]


@pytest.mark.parametrize(("mechanism", "says", "end"), TURNS)
def test_turns(mechanism: str, says: list[bytes | None], end: object) -> None:
    server = begin(mechanism, CONTEXT)
    step = server.start(says[0])
    for said in says[1:]:
        assert isinstance(step, Challenge)
        assert said is not None
        step = server.answer(said)
    assert step == end or (isinstance(end, type) and isinstance(step, end))


def converse(client: ScramClientMechanism, context: SaslContext) -> object:
    server = begin(client.name, context)
    step = server.start(client.start())
    while isinstance(step, Challenge):
        step = server.answer(client.answer(step.data))
    return step


class _Nonce(bytes):
    """The server's nonce of the example is no hexadecimal number, as ours would be."""

    def hex(self, *_: object) -> str:  # type: ignore[override]
        return self.decode()


def test_the_exchange_of_the_rfc() -> None:
    """RFC 7677 section 3, word for word, in both roles."""
    client_first = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
    nonce = b"%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    server_first = b"r=rOprNGfwEbeRWgbNEkqO" + nonce + b",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    client_final = (
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO" + nonce + b",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    )
    server_final = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

    salt = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    account = Account("user", (), "", scram=scram_verifier("pencil", lambda _: salt, iterations=4096))
    server = begin("SCRAM-SHA-256", SaslContext({"user": account}.get, b"s" * 32, lambda _: _Nonce(nonce)))
    assert server.start(client_first) == Challenge(server_first)
    assert server.answer(client_final) == Challenge(server_final)
    assert server.answer(b"") == Success("user")

    client = ScramClientMechanism("user", "pencil", nonce="rOprNGfwEbeRWgbNEkqO")
    assert client.start() == client_first
    assert client.answer(server_first) == client_final
    assert client.answer(server_final) == b""
    assert client.satisfied


@pytest.mark.parametrize("endpoint", [None, ENDPOINT])
def test_scram_round_trip(endpoint: bytes | None) -> None:
    client = ScramClientMechanism(
        "a@x.example", "secret word", nonce="abc", endpoint=endpoint, plus=endpoint is not None
    )
    assert not client.satisfied
    assert converse(client, replace(CONTEXT, endpoint=endpoint)) == Success("a@x.example")
    assert client.satisfied


@pytest.mark.parametrize(
    ("user", "password"), [("a@x.example", "wrong word"), ("nobody@x.example", "secret word")]
)
def test_scram_failures_look_alike(user: str, password: str) -> None:
    server = begin("SCRAM-SHA-256", CONTEXT)
    client = ScramClientMechanism(user, password, nonce="abc")
    first = server.start(client.start())
    assert isinstance(first, Challenge)
    assert isinstance(server.answer(client.answer(first.data)), Failure)
    assert server.authcid == user


def test_the_salt_of_nobody_is_stable_and_nobodys_own() -> None:
    def salt(name: str, context: SaslContext = CONTEXT) -> bytes:
        step = begin("SCRAM-SHA-256", context).start(f"n,,n={name},r=abc".encode())
        assert isinstance(step, Challenge)
        return step.data.split(b",")[1]

    assert salt("nobody") == salt("nobody") == salt("NOBODY")
    assert salt("nobody") != salt("somebody")
    assert salt("nobody") != salt("nobody", replace(CONTEXT, secret=b"t" * 32))
    assert len(salt("nobody")) == len(salt("a@x.example"))


def test_a_binding_that_somebody_took_off_the_list_is_noticed() -> None:
    client = ScramClientMechanism("a@x.example", "secret word", nonce="abc", endpoint=ENDPOINT)
    assert isinstance(converse(client, replace(CONTEXT, endpoint=ENDPOINT)), Failure)
    client = ScramClientMechanism("a@x.example", "secret word", nonce="abc", endpoint=ENDPOINT)
    assert converse(client, CONTEXT) == Success("a@x.example")


def test_a_wrong_binding_fails() -> None:
    client = ScramClientMechanism("a@x.example", "secret word", nonce="abc", endpoint=b"m" * 32, plus=True)
    assert isinstance(converse(client, replace(CONTEXT, endpoint=ENDPOINT)), Failure)


def test_a_replayed_proof_fails() -> None:
    client = ScramClientMechanism("a@x.example", "secret word", nonce="abc")
    server = begin("SCRAM-SHA-256", CONTEXT)
    first = server.start(client.start())
    assert isinstance(first, Challenge)
    proof = client.answer(first.data)
    assert isinstance(server.answer(proof), Challenge)
    other = begin("SCRAM-SHA-256", replace(CONTEXT, random=lambda n: b"z" * n))
    other.start(b"n,,n=a@x.example,r=abc")
    assert isinstance(other.answer(proof), Failure)


def test_a_server_without_the_password_is_not_believed() -> None:
    client = ScramClientMechanism("a@x.example", "secret word", nonce="abc")
    server = begin("SCRAM-SHA-256", CONTEXT)
    first = server.start(client.start())
    assert isinstance(first, Challenge)
    client.answer(first.data)
    with pytest.raises(ServerUnproven):
        client.answer(b"v=AAAA")
    assert not client.satisfied


@pytest.mark.parametrize(
    ("offered", "endpoint", "name"),
    [
        (("PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"), ENDPOINT, "SCRAM-SHA-256-PLUS"),
        (("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"), None, "SCRAM-SHA-256"),
        (("login", "plain"), ENDPOINT, "PLAIN"),
        (("LOGIN",), None, "LOGIN"),
        (("GSSAPI",), None, None),
    ],
)
def test_choice(offered: tuple[str, ...], endpoint: bytes | None, name: str | None) -> None:
    chosen = choose(offered, "u", "p", random=counting, endpoint=endpoint)
    assert (chosen.name if chosen else None) == name


@pytest.mark.parametrize(
    ("offered", "before"), [("PLAIN", []), ("LOGIN", [b"u", b"p"])], ids=["PLAIN", "LOGIN"]
)
def test_a_nosy_server_is_told_nothing_more(offered: str, before: list[bytes]) -> None:
    client = choose((offered,), "u", "p", random=counting)
    assert client is not None
    client.start()
    assert [client.answer(b"?") for _ in before] == before
    with pytest.raises(ServerUnproven):
        client.answer(b"PIN?")


def test_plain_and_login_clients_fit_our_server() -> None:
    for offered in (("PLAIN",), ("LOGIN",)):
        client = choose(offered, "ü@x.example", "pä", random=counting)
        assert client is not None
        server = begin(client.name, CONTEXT)
        step = server.start(client.start())
        while isinstance(step, Challenge):
            step = server.answer(client.answer(step.data))
        assert step == NeedsPassword("ü@x.example", "pä")


@given(
    st.sampled_from(sorted(MECHANISMS)),
    st.lists(st.one_of(st.binary(max_size=60), st.just(b"n,,n=a,r=b")), max_size=4),
)
def test_garbage_never_succeeds(mechanism: str, says: list[bytes]) -> None:
    server = begin(mechanism, replace(CONTEXT, endpoint=ENDPOINT))
    step = server.start(None)
    for said in says:
        if not isinstance(step, Challenge):
            break
        step = server.answer(said)
    assert not isinstance(step, Success)
