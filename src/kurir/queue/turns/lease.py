"""What is out: the hands that are connected, and the leases that each of them holds."""

from collections.abc import Sequence

from kurir.queue.asks import Lease, Work
from kurir.queue.pacing.paced import Taken
from kurir.queue.ports import Hand
from kurir.queue.waiting.state import Errand, Letter, Mail

from .site import Site


class Worker:
    """A connected hand and what it holds."""

    __slots__ = ("gone", "hand", "leases", "notices", "outbox")

    def __init__(self, hand: Hand) -> None:
        self.hand = hand
        self.leases: dict[int, OpenLease] = {}
        self.outbox: list[Lease] = []
        self.notices = 0
        self.gone = False


class Homes:
    """Which hand has all leases of a limit of connections: those that are idle at another hand would count too."""

    def __init__(self) -> None:
        self._by_key: dict[str, Worker] = {}

    def choose(self, workers: Sequence[Worker], site: Site) -> Worker:
        """Return the home of a site whose connections are counted, for any other the hand with most room."""
        key = site.paced.counted if site.paced is not None else ""
        home = self._by_key.get(key)
        if home is None or home.gone or not home.hand.slots:  # without slots it takes nothing more: it ends
            home = max(workers, key=_room)
            if key:
                self._by_key[key] = home
        return home


def _room(worker: Worker) -> int:
    return worker.hand.slots - len(worker.leases)


class OpenLease:
    """Errands of one message that a hand works on; `adopted` is what an earlier brain leased."""

    __slots__ = (
        "adopted",
        "errands",
        "id",
        "letter",
        "mail",
        "probe",
        "sent",
        "since",
        "site",
        "taken",
        "worker",
    )

    def __init__(
        self,
        lease_id: int,
        worker: Worker,
        site: Site,
        mail: Mail,
        errands: list[Errand],
        since: float,
        *,
        adopted: bool = False,
    ) -> None:
        self.id = lease_id
        self.worker = worker
        self.site = site
        self.mail = mail
        self.errands = errands
        self.since = since
        self.adopted = adopted
        self.probe = site.probe and not adopted
        self.letter: Letter | None = None
        self.sent = adopted
        self.taken: Taken = ()

    def addressed(self, epoch: int, letter: Letter, body: bytes | None) -> Lease:
        """Return what its hand gets, now that the letter is here: it counts as sent from now on."""
        self.letter = letter
        self.sent = True
        recipients = letter.recipients
        return Lease(
            epoch=epoch,
            id=self.id,
            number=letter.number,
            road=self.site.road,
            reverse_path=letter.reverse_path,
            params=letter.params,
            work=tuple([Work(e.index, recipients[e.index], e.attempts) for e in self.errands]),
            trace_block=letter.trace_block,
            size=letter.size,
            sha256=letter.sha256,
            body=body,
            body_file=letter.body_file,
            accepted_at=letter.accepted_at,
            account=letter.origin.account,
            ours=letter.origin.ours,
            since=self.since,
            alternatives=self.site.alternatives,
        )
