"""A real Kurir whose mail goes to other servers, and the questions that tests ask about what became of it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from kurir.delivery.local.maildir import safe_name
from tests.harness import PATIENCE, Kurir

from .wire import Wire

SENDER = "tester@example.test"
QUICK = 'retry = [1, 1, 2]\nlifetime = "10m"\n'


def road(name: str, url: str, domains: Iterable[str], **more: object) -> str:
    """Return a ``[[roads]]`` entry."""
    lines = [f'name = "{name}"', f'url = "{url}"', f"recipients = {list(domains)!r}"]
    lines += [f"{key} = {value!r}" for key, value in more.items()]
    return "[[roads]]\n" + "\n".join(lines).replace("'", '"') + "\n"


class Office(Kurir):
    """A server with `roads`; loopback may relay, and an account ``tester`` gets the bounces in its Maildir."""

    def __init__(
        self,
        folder: Path,
        roads: Sequence[str] = (),
        *,
        domain: str = "example.test",
        queue: str = QUICK,
        sections: str = "",
        workers: int = 0,
        catch_all: str = "",
        env: dict[str, str] | None = None,
    ) -> None:
        super().__init__(
            folder,
            domain=domain,
            playground=False,
            trust=("127.0.0.0/8",),
            workers=workers,
            toml=f"[queue]\n{queue}\n{sections}\n" + "\n".join(roads),
            env=env,
        )
        if catch_all:
            self._change(f'[domains."{domain}"]', f'[domains."{domain}"]\ncatch_all = "{catch_all}@{domain}"')

    def _change(self, old: str, new: str) -> None:
        text = self.config.read_text()
        assert text.count(old) == 1
        self.config.write_text(text.replace(old, new))

    def __enter__(self) -> Self:
        self.start()
        try:
            self.user("tester")
        except BaseException:
            self.stop()
            raise
        return self

    def send(
        self,
        recipients: str | Sequence[str],
        message: bytes,
        *,
        sender: str = SENDER,
        parameters: str = "",
        whole: bool = False,
    ) -> str:
        """Hand a message in on port 25 (no octet of it is touched); return its id."""
        to = [recipients] if isinstance(recipients, str) else recipients
        with Wire(self.smtp) as wire:
            return wire.send(sender, to, message, parameters=parameters, whole=whole)

    def mail_of(self, local: str) -> list[bytes]:
        """Return the messages in a mailbox whatever its folder is called (`Kurir.mail` takes plain names)."""
        return self.mail(safe_name(local))

    def story(self, what: str) -> dict[str, Any]:
        """Return the one message that `what` finds, as ``kurir trace --json`` tells it."""
        found = self.json("trace", what)["messages"]
        assert len(found) == 1, f"{what}: {len(found)} messages"
        return dict(found[0])

    def stories(self, sender: str = SENDER) -> dict[str, dict[str, Any]]:
        """Return all messages of a sender by id."""
        document = self.json("trace", "--limit", "1000", sender)
        return {m["id"]: m for m in document["messages"]}

    def ended(self, id: str, timeout: float = PATIENCE) -> dict[str, Any]:
        """Wait until every recipient of a message has its fate; return its story.

        The log is watched, since it costs nothing; what counts is what the trace says.
        """

        def done() -> bool:
            lines = self._lines(id)
            due = sum(line["recipients"] for line in lines if line["event"] == "accepted")
            return 0 < due <= sum("fate" in line for line in lines)

        self.wait(f"the fate of {id}", done, timeout)
        story = self.story(id)
        assert all(r["fate"] for r in story["recipients"])
        return story

    def attempted(self, id: str, times: int = 1, timeout: float = PATIENCE) -> dict[str, Any]:
        """Wait until `times` attempts were made for a message; return its story."""

        def done() -> bool:
            return sum(line["event"] == "attempted" for line in self._lines(id)) >= times

        self.wait(f"{times} attempts of {id}", done, timeout)
        return self.story(id)

    def _lines(self, id: str) -> list[dict[str, Any]]:
        lines = self.said().splitlines()
        return [json.loads(line) for line in lines if f'"id":"{id}"' in line and line.endswith("}")]


def fates(story: Mapping[str, Any]) -> dict[str, str | None]:
    """Return address -> fate."""
    return {r["address"]: r["fate"] for r in story["recipients"]}


def last(story: Mapping[str, Any], recipient: int = 0) -> dict[str, Any]:
    """Return the last attempt of a recipient."""
    steps = [s for s in story["recipients"][recipient]["history"] if s["result"]]
    return dict(steps[-1])
