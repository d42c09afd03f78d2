"""TLS and AUTH towards a real Postfix (SASL by Dovecot): what is proven, what waits, what is never said in the clear.

Every connection runs through a tap, so that what an eavesdropper would hear is looked at.
"""

import base64
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from .servers.bodies import CASES
from .servers.certificates import Certificates
from .servers.dovecot import Dovecot
from .servers.office import Office, last, road
from .servers.postfix import Postfix
from .servers.tap import Tap

pytestmark = pytest.mark.interop

PASSWORD = "rahasia-42/+%"
QUOTED = "rahasia-42%2F+%25"


@dataclass(frozen=True)
class Way:
    """How a road is taken and what must come of it.  `cause` of a wait; none where the mail arrives."""

    url: str
    door: str
    cause: str = ""
    protection: str | None = "name"
    verified: str | None = "name"
    fallback: bool = False
    clear: bool = False
    bounced: bool = False


def plain(url, door, **more):
    return Way(url, door, verified=None, **more)


WAYS = {
    # opportunistic: mail goes, and the trace says how
    "may-trusted": Way("smtp://127.0.0.1:{port}", "trusted"),
    "may-foreign": plain("smtp://127.0.0.1:{port}", "foreign", protection="encrypted"),
    "may-selfsigned": plain("smtp://127.0.0.1:{port}", "selfsigned", protection="encrypted"),
    "may-wrongname": plain("smtp://127.0.0.1:{port}", "wrongname", protection="encrypted"),
    "may-expired": plain("smtp://127.0.0.1:{port}", "expired", protection="encrypted"),
    "may-broken": plain(
        "smtp://127.0.0.1:{port}", "broken", protection="fallback", fallback=True, clear=True
    ),
    "may-nothing": plain("smtp://127.0.0.1:{port}", "nothing", protection="none", clear=True),
    "none-trusted": plain("smtp://127.0.0.1:{port}?tls=none", "trusted", protection="none", clear=True),
    # required: verified, or it waits
    "must-trusted": Way("smtp://localhost:{port}?tls=require", "trusted"),
    "must-foreign": plain("smtp://127.0.0.1:{port}?tls=require", "foreign", cause="tls_untrusted"),
    "must-selfsigned": plain("smtp://127.0.0.1:{port}?tls=require", "selfsigned", cause="tls_untrusted"),
    "must-wrongname": plain("smtp://127.0.0.1:{port}?tls=require", "wrongname", cause="tls_untrusted"),
    "must-expired": plain("smtp://127.0.0.1:{port}?tls=require", "expired", cause="tls_untrusted"),
    "must-broken": plain("smtp://127.0.0.1:{port}?tls=require", "broken", cause="tls_failed"),
    "must-nothing": plain("smtp://127.0.0.1:{port}?tls=require", "nothing", cause="tls_required"),
    "smtps-trusted": Way("smtps://127.0.0.1:{port}", "smtps"),
    "smtps-foreign": plain("smtps://127.0.0.1:{port}", "smtps-foreign", cause="tls_untrusted"),
    # a smarthost that wants a login
    "login": Way(f"smtp://tester:{QUOTED}@127.0.0.1:{{port}}", "auth"),
    "login-scram": Way(f"smtp://tester:{QUOTED}@127.0.0.1:{{port}}", "auth-scram"),
    "login-smtps": Way(f"smtps://tester:{QUOTED}@127.0.0.1:{{port}}", "auth-smtps"),
    "login-wrong": Way("smtp://tester:wrong@127.0.0.1:{port}", "auth", cause="auth_failed"),
    "login-foreign": plain(f"smtp://tester:{QUOTED}@127.0.0.1:{{port}}", "auth-foreign", cause="tls_untrusted"),
    "login-nothing": plain(f"smtp://tester:{QUOTED}@127.0.0.1:{{port}}", "auth-clear", cause="tls_required"),
    "login-missing": Way("smtp://127.0.0.1:{port}", "auth", cause="policy_receiver", bounced=True),
}  # fmt: skip


class Scene:
    """The office, the Postfix with all its doors, and a tap for each way."""

    def __init__(self, stack: ExitStack, folder) -> None:
        folder.chmod(0o755)
        c = Certificates(folder)
        dovecot = stack.enter_context(Dovecot(passwords={"tester": PASSWORD}))
        sasl = {
            "smtpd_sasl_auth_enable": "yes",
            "smtpd_sasl_type": "dovecot",
            "smtpd_sasl_path": str(dovecot.sasl),
            "smtpd_tls_auth_only": "yes",
            "smtpd_recipient_restrictions": "permit_sasl_authenticated, reject",
        }
        wrapped = {"smtpd_tls_wrappermode": "yes"}
        doors = {
            "trusted": Postfix.tls(c.trusted),
            "foreign": Postfix.tls(c.foreign),
            "selfsigned": Postfix.tls(c.self_signed),
            "wrongname": Postfix.tls(c.wrong_name),
            "expired": Postfix.tls(c.expired),
            "broken": Postfix.tls(c.trusted, smtpd_tls_protocols="TLSv1"),
            "nothing": {},
            "smtps": Postfix.tls(c.trusted) | wrapped,
            "smtps-foreign": Postfix.tls(c.foreign) | wrapped,
            "auth": Postfix.tls(c.trusted) | sasl,
            "auth-scram": Postfix.tls(c.trusted) | sasl | {"smtpd_sasl_mechanism_filter": "scram-sha-256"},
            "auth-smtps": Postfix.tls(c.trusted) | sasl | wrapped,
            "auth-foreign": Postfix.tls(c.foreign) | sasl,
            "auth-clear": sasl | {"smtpd_tls_auth_only": "no"},
        }
        self.postfix = stack.enter_context(
            Postfix(users=tuple(WAYS), domains=tuple(f"{name}.test" for name in WAYS), doors=doors)
        )
        self.taps = {
            name: stack.enter_context(Tap(self.postfix.ports[way.door])) for name, way in WAYS.items()
        }
        roads = [
            road(name, way.url.format(port=self.taps[name].port), [f"{name}.test"])
            for name, way in WAYS.items()
        ]
        self.office = stack.enter_context(
            Office(folder / "office", roads, sections=f'[net]\nca_file = "{c.ca}"')
        )
        self.stories: dict[str, dict] = {}


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    with ExitStack() as stack:
        scene = Scene(stack, tmp_path_factory.mktemp("tls"))
        ids = {
            name: scene.office.send(
                f"{name}@{name}.test", CASES["eightbit-utf8"].message, parameters="BODY=8BITMIME"
            )
            for name in WAYS
        }

        def settled():
            stories = scene.office.stories()
            done = all(r["attempts"] for m in stories.values() for r in m["recipients"])
            return stories if done and len(stories) >= len(WAYS) else None

        stories = scene.office.wait("an attempt of each", settled)
        scene.stories = {name: stories[id] for name, id in ids.items()}
        yield scene
        assert scene.office.audit()["balanced"]


@pytest.mark.parametrize("name", WAYS)
def test_way(scene, name):
    way, story, heard = WAYS[name], scene.stories[name], scene.taps[name].heard
    step, (recipient,) = last(story), story["recipients"]
    assert step["cause"] == (way.cause or "ok"), step
    assert recipient["state"] == ("waiting" if way.cause and not way.bounced else "ended")
    assert recipient["fate"] == ("bounced" if way.bounced else None if way.cause else "handed_over")
    assert len(scene.postfix.mail(name)) == (0 if way.cause else 1)
    assert (b"MAIL FROM" in heard) == way.clear
    assert PASSWORD.encode() not in heard
    assert base64.b64encode(f"\0tester\0{PASSWORD}".encode()) not in heard
    if not way.cause:
        assert step["protection"] == way.protection
        assert (step["tls"] or {}).get("verified") == way.verified
        assert step["plaintext_fallback"] == way.fallback
        assert bool((step["tls"] or {}).get("why_not")) == (way.protection == "encrypted")
    else:
        assert bool(recipient["next_at"]) != way.bounced
        assert scene.taps[name].connections
