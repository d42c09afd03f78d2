"""A playground as people who test their applications meet it: REQUIRETLS, short waits, misspelt parts, prompts."""

import os
import subprocess
from collections.abc import Iterator

import pytest

from tests.harness import PATIENCE, Kurir, hand_in, login, text
from tests.harness.kurir import KURIR


@pytest.fixture(scope="module")
def kurir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kurir]:
    with Kurir(tmp_path_factory.mktemp("difficult") / "kurir") as server:
        server.password = server.user("alice")  # type: ignore[attr-defined]
        yield server


def send(kurir: Kurir, to: str, *mail: str) -> str:
    with login(kurir, "alice", kurir.password) as s:  # type: ignore[attr-defined]
        s.ehlo_or_helo_if_needed()
        return hand_in(s, "alice@example.test", to, text("alice@example.test", to, "try"), mail=mail)


def trace(kurir: Kurir, id: str, lang: str = "en") -> str:
    return " ".join(kurir.inside("trace", id, "--lang", lang)[1].split())


def test_requiretls_reaches_the_sandbox_over_tls_and_the_trace_says_so(kurir: Kurir) -> None:
    id = send(kurir, "anybody@example.net", "REQUIRETLS")
    kurir.wait("the capture", lambda: "Kept in the sandbox" in trace(kurir, id))
    assert "encrypted on the way there as the sender demands" in trace(kurir, id)
    assert "Demands proven encryption on every hop" in trace(kurir, id)
    assert "terenkripsi di jalan seperti yang diwajibkan pengirim" in trace(kurir, id, "id")


def test_requiretls_is_refused_at_once_where_the_sandbox_plays_a_server_without_tls(kurir: Kurir) -> None:
    with pytest.raises(AssertionError, match=r"550, b'5\.7\.10 Mail to notls.test cannot travel sealed"):
        send(kurir, "anybody@notls.test", "REQUIRETLS")


def test_requiretls_meets_the_parts_that_come_after_tls(kurir: Kurir) -> None:
    id = send(kurir, "anybody@mail-550.test", "REQUIRETLS")
    kurir.wait("the refusal", lambda: "550 5.1.1 The sandbox plays mail-550" in trace(kurir, id))


def test_a_deferred_recipient_moves_within_seconds(kurir: Kurir) -> None:
    id = send(kurir, "defer-2@example.net")
    kurir.wait("the capture after two deferrals", lambda: "Kept in the sandbox" in trace(kurir, id))


def test_a_misspelt_part_is_captured_and_named(kurir: Kurir) -> None:
    id = send(kurir, "defr-2@example.net")
    kurir.wait("the capture", lambda: "Kept in the sandbox" in trace(kurir, id))
    plain = next(m for m in kurir.ask("sandbox", "list")["messages"] if "defr-2@example.net" in str(m))
    assert plain["did_you_mean"] == ["defer-2@example.net"]
    assert "did you mean defer-2@example.net?" in " ".join(kurir.inside("sandbox", "list")[1].split())
    said = " ".join(kurir.inside("sandbox", "list", "--lang", "id")[1].split())
    assert "mungkin maksud Anda defer-2@example.net?" in said


def on_terminal(kurir: Kurir, answer: str, *arguments: str) -> tuple[int, str]:
    """Run a command whose standard input is a terminal on which `answer` is typed."""
    ours, theirs = os.openpty()
    try:
        os.write(ours, answer.encode())
        command = [*KURIR, *arguments, "-c", str(kurir.config)]
        done = subprocess.run(command, stdin=theirs, capture_output=True, env=kurir.env, timeout=PATIENCE)
        return done.returncode, done.stdout.decode() + done.stderr.decode()
    finally:
        os.close(ours)
        os.close(theirs)


def test_an_erasure_is_confirmed_on_a_terminal(kurir: Kurir) -> None:
    id = send(kurir, "siti@example.net")
    kurir.wait("the capture", lambda: "Kept in the sandbox" in trace(kurir, id))
    code, said = on_terminal(kurir, "n\n", "trace", "erase", "siti@example.net")
    assert code != 0
    assert "Named by 1 message and 0 observations" in said
    assert "cannot be undone" in said
    assert "siti@example.net" in trace(kurir, id)
    code, said = on_terminal(kurir, "y\n", "trace", "erase", "siti@example.net")
    assert code == 0
    assert "Erased: 1 message," in said
    code, said = on_terminal(kurir, "", "trace", "erase", "siti@example.net", "--yes")
    assert code == 0
    assert "undone" not in said


def test_the_servers_own_address_literal_has_a_postmaster(kurir: Kurir) -> None:
    import smtplib

    with smtplib.SMTP("127.0.0.1", kurir.smtp, timeout=PATIENCE) as s:
        s.ehlo("client.test")
        s.mail("somebody@far.test")
        assert s.rcpt("postmaster@[127.0.0.1]")[0] == 250
        assert s.docmd("RCPT TO:<postmaster>")[0] == 250
        assert s.rcpt("alice@[127.0.0.1]")[0] == 550
