"""One lease over one session: straight-line code from MAIL FROM to an outcome for every recipient.

Rules: nothing is sent that the peer cannot take (`fit`); each recipient gets the reply that decided
about it; a connection lost before the final dot is an ordinary retry, one lost after it is "possibly
delivered" (RFC 1047), because nobody can know.  Recipients that went down together are parted for the next
time: the one at whose RCPT it happened goes alone, and where nobody can tell which one it was, in halves.
"""

from itertools import zip_longest

from msgspec import structs

from kurir.delivery.connecting.classify import classify
from kurir.delivery.connecting.session import Session, Trouble, broken, net_trouble
from kurir.delivery.ports import Bodies, BodyDamaged
from kurir.delivery.settings import DeliverySettings
from kurir.model import Cause, Clock, Envelope, Outcome, OutcomeKind, Reply, Stage
from kurir.net.ports import NetError
from kurir.queue.asks import Lease, Work
from kurir.smtp.client import BodyWanted, PeerBroke, TransactionDone

from .fit import fit, too_large
from .payload import Payload, prepare
from .sealing import Sealing

Results = list[tuple[int, Outcome]]

_STAGES = {"mail": Stage.MAIL, "rcpt": Stage.RCPT, "data": Stage.DATA, "body": Stage.BODY}
_LAST_WORDS = 2.0  # seconds to wait for what a peer said before it hung up on us


class Attempt:
    """Works through one lease.  After `run`: `results`, what of it are `refusals`, and whether the session is `reusable`.

    `untouched` says that the session was an old one and broke before the peer can have taken anything:
    the lease may be tried again at once over a new connection.  `past_dot` is the point of no knowing.
    """

    __slots__ = (
        "_bodies",
        "_clock",
        "_front",
        "_group",
        "_lease",
        "_reverse_path",
        "_sealing",
        "_session",
        "_settings",
        "_success",
        "_t0",
        "past_dot",
        "refusals",
        "results",
        "reusable",
        "stage",
        "untouched",
    )

    def __init__(
        self,
        session: Session,
        lease: Lease,
        bodies: Bodies,
        settings: DeliverySettings,
        clock: Clock,
        *,
        success: OutcomeKind = OutcomeKind.HANDED_OVER,
        sealing: Sealing | None = None,
    ) -> None:
        self._session = session
        self._lease = lease
        self._bodies = bodies
        self._settings = settings
        self._clock = clock
        self._success = success
        self._sealing = sealing
        self._front = _tunnelled(lease, session) + lease.trace_block  # what goes before the body
        self._reverse_path = lease.reverse_path
        self._t0 = clock.monotonic()
        self._group: tuple[Work, ...] = ()
        self.results: Results = []
        self.refusals: list[Outcome] = []
        self.reusable = True
        self.untouched = False
        self.past_dot = False
        self.stage = Stage.MAIL

    async def run(self) -> None:
        """Try all recipients of the lease once.  Never raises but for cancellation."""
        lease, session = self._lease, self._session
        plan = fit(lease, session.offer, session.host)
        for work, trouble in plan.refused:
            self._note(work, trouble)
        waiting = plan.work
        if not waiting:
            return
        try:
            payload = await prepare(lease, self._bodies, session.offer, plan, session.host)
            if self._sealing is not None and not isinstance(payload, Trouble):
                fields = await self._sealing.front(lease, payload, self._bodies)
                if fields:
                    self._front = fields + self._front
                    octets = len(self._front) + (payload.size or 0)
                    payload = too_large(octets, session.offer, session.host) or payload
        except BodyDamaged as error:
            self._note_all(waiting, self._damaged(error))
            return
        if isinstance(payload, Trouble):
            self._note_all(waiting, payload)
            return
        most = min(session.offer.recipients or self._settings.max_recipients, self._settings.max_recipients)
        while waiting and self.reusable:
            group, waiting = self._alike(waiting, most)
            again = await self._transaction(group, payload)
            waiting = again + waiting
            if lease.road.quotas:
                break  # one debit is one message: the others go back to the queue, and are counted anew
        # What is left when the connection broke was not tried: it goes back to the queue without a result.

    def _alike(self, waiting: tuple[Work, ...], most: int) -> tuple[tuple[Work, ...], tuple[Work, ...]]:
        """Return what goes into one transaction, at most `most` with the same reverse-path, and the rest."""
        sealing, lease = self._sealing, self._lease
        if sealing is None or not sealing.may_rewrite(lease):
            return waiting[:most], waiting[most:]
        self._reverse_path = sealing.reverse_path(lease, waiting[0])
        if len(waiting) == 1:
            return waiting, ()
        group: list[Work] = []
        rest: list[Work] = []
        for work in waiting:
            alike = len(group) < most and sealing.reverse_path(lease, work) == self._reverse_path
            (group if alike else rest).append(work)
        return tuple(group), tuple(rest)

    # -- one transaction ----------------------------------------------------------------------

    async def _transaction(self, group: tuple[Work, ...], payload: Payload) -> tuple[Work, ...]:
        """Send to some recipients; return those that want a transaction of their own (452 4.5.3)."""
        lease, session, times = self._lease, self._session, self._settings.timeouts
        client = session.client
        self.stage = Stage.MAIL
        self.past_dot = False
        self._group = group
        first_use = session.used == 0
        session.used += 1
        size = None if payload.size is None else len(self._front) + payload.size
        try:
            client.transaction(
                Envelope(self._reverse_path, tuple([w.recipient for w in group]), lease.params), size
            )
            event = await session.event(times.mail + times.rcpt * len(group))
            if event.__class__ is BodyWanted:
                self.stage = Stage.BODY
                client.body(self._front)
                if payload.whole is None:
                    await self._stream(payload)
                else:
                    client.body(payload.whole)
                client.end_body()
                self.past_dot = True
                event = await session.event(times.final_dot)
        except NetError as error:
            self.untouched = not first_use and not self.past_dot and not self.results
            await self._lost(group, error)
            return ()
        except BodyDamaged as error:
            session.abort()  # before the final dot: the peer must not take half a message for a whole one
            self.reusable = False
            self._note_all(group, self._damaged(error))
            return ()
        if isinstance(event, TransactionDone):
            if not first_use and not self.results and _goodbye(event):
                session.abort()
                self.reusable, self.untouched = False, True
                self._meaning(Stage.MAIL, event.results[0][1])  # noted among the refusals
                return ()
            return self._done(group, event)
        self.reusable = False
        self.untouched = not first_use and not self.past_dot and not self.results
        if isinstance(event, PeerBroke):
            self._peer_broke(group, event)
        else:
            text = f"unexpected {type(event).__name__} in a transaction"
            self._note_all(group, self._trouble(Cause.PROTOCOL_ERROR, text))
        return ()

    async def _stream(self, payload: Payload) -> None:
        """Send a large body piece by piece, never holding more than the stream's write buffer."""
        session, client = self._session, self._session.client
        limit = self._settings.timeouts.data_block
        async for chunk in payload.stream(self._lease, self._bodies):
            client.body(chunk)
            session.flush()
            await session.stream.drain(limit)

    def _done(self, group: tuple[Work, ...], event: TransactionDone) -> tuple[Work, ...]:
        self.past_dot = False
        results, again = event.results, []
        # Each round settles at least one, so it ends; a peer that puts the message off is not pressed further.
        progress = any(stage in ("data", "body") and reply.klass != 4 for stage, reply in results)
        made: dict[int, Outcome] = {}
        for work, (stage, reply) in zip(group, results, strict=True):
            if stage == "rcpt" and progress and _too_many(reply):
                again.append(work)
                continue
            outcome = made.get(id(reply))
            if outcome is None or outcome.stage is not _STAGES[stage]:
                outcome = made[id(reply)] = self._meaning(_STAGES[stage], reply)
            self.results.append((work.index, outcome))
        after = self._session.client.next_event()
        if isinstance(after, PeerBroke):
            self.reusable = False
            if self._session.client.suspect is not None:
                self._part(group)
        return tuple(again)

    def _meaning(self, stage: Stage, reply: Reply) -> Outcome:
        session = self._session
        if stage is Stage.BODY and reply.code < 300:
            return Outcome(
                kind=self._success,
                cause=Cause.SANDBOX if self._success is OutcomeKind.CAPTURED else Cause.OK,
                at=self._clock.now(),
                stage=stage,
                road=self._lease.road.name,
                host=session.host,
                reply=reply,
                detail=session.note,
                tls=session.tls,
                plaintext_fallback=session.fallback,
                dsn_relayed=session.offer.dsn,
                seconds=self._clock.monotonic() - self._t0,
            )
        meaning = classify(stage, reply, session.host)
        return self._outcome(
            Trouble(
                stage=stage,
                cause=meaning.cause,
                kind=meaning.kind,
                reply=reply,
                host=session.host,
                retry_after=meaning.retry_after,
                lasting=meaning.lasting,
            )
        )

    # -- when it breaks -----------------------------------------------------------------------

    async def _lost(self, group: tuple[Work, ...], error: NetError) -> None:
        self.reusable = False
        session = self._session
        words = None
        if self.stage is Stage.BODY and error.kind == "lost" and not self.past_dot:
            words = await self._last_words()
        session.abort()
        self._find_stage()
        open_ones = self._decided(group)
        if words is not None:
            self._note_all(open_ones, broken(words, self.stage, session.host))
        elif self.past_dot:
            self._note_lost_reply(open_ones, str(error))
        else:
            self._note_all(open_ones, net_trouble(error, self.stage, session.host))
        self._part(group)

    async def _last_words(self) -> PeerBroke | None:
        """A peer that hangs up in the middle of the body often says why first (421, 552)."""
        try:
            event = await self._session.event(_LAST_WORDS)
        except NetError:
            return None
        if isinstance(event, TransactionDone) and event.results:
            return PeerBroke(event.results[0][1], "")
        return event if isinstance(event, PeerBroke) else None

    def _peer_broke(self, group: tuple[Work, ...], event: PeerBroke) -> None:
        self._session.abort()
        self._find_stage()
        answered = event.reply is not None and event.reply.klass in (4, 5)
        open_ones = self._decided(group)
        if self.past_dot and not answered:
            self._note_lost_reply(open_ones, event.problem)
        else:
            self._note_all(open_ones, broken(event, self.stage, self._session.host))
        self._part(group)

    def _part(self, group: tuple[Work, ...]) -> None:
        """Advise smaller company for the next time: one recipient must not cost the others every attempt."""
        if len(group) < 2:
            return
        client = self._session.client
        suspect = client.suspect
        if suspect is not None:
            advice = {group[suspect].index: 1}
        elif self.stage is Stage.MAIL and not (client.extensions and "PIPELINING" in client.extensions):
            return  # the peer has not even heard of the recipients
        else:
            advice = dict.fromkeys([work.index for work in group], (len(group) + 1) // 2)
        self.results = [
            (i, structs.replace(outcome, together=advice[i]))
            if i in advice and outcome.kind is OutcomeKind.DEFERRED
            else (i, outcome)
            for i, outcome in self.results
        ]

    def _find_stage(self) -> None:
        """Of commands that went out together, the first one without an answer is where it broke."""
        self.stage = _STAGES.get(self._session.client.stage, self.stage)

    def _decided(self, group: tuple[Work, ...]) -> tuple[Work, ...]:
        """Note what the peer had decided before it broke (a 550 stands); return the recipients still open."""
        if self.untouched:
            return group
        still_open = []
        for work, result in zip_longest(group, self._session.client.results):
            if work is not None and result is None:
                still_open.append(work)
            elif work is not None and result is not None:
                self.results.append((work.index, self._meaning(_STAGES[result[0]], result[1])))
        return tuple(still_open)

    def give_up(self) -> None:
        """The hand is shutting down: only what may have been taken gets an outcome, the rest goes back."""
        self._session.abort()
        self.reusable = False
        if self.past_dot:
            self._note_lost_reply(self._decided(self._group), "this server was stopped")

    def _note_lost_reply(self, group: tuple[Work, ...], why: str) -> None:
        outcome = Outcome(
            kind=OutcomeKind.DEFERRED,
            cause=Cause.LOST_REPLY,
            at=self._clock.now(),
            stage=Stage.BODY,
            road=self._lease.road.name,
            host=self._session.host,
            detail=f"the whole message was sent, but no answer came: {why}",
            tls=self._session.tls,
            plaintext_fallback=self._session.fallback,
            possibly_delivered=True,
            seconds=self._clock.monotonic() - self._t0,
        )
        self.results.extend((work.index, outcome) for work in group)

    def _damaged(self, error: BodyDamaged) -> Trouble:
        return self._trouble(Cause.BODY_DAMAGED, f"the stored message is damaged and is not sent: {error}")

    def _trouble(self, cause: Cause, detail: str) -> Trouble:
        return Trouble(stage=self.stage, cause=cause, host=self._session.host, detail=detail)

    def _note(self, work: Work, trouble: Trouble) -> None:
        self.results.append((work.index, self._outcome(trouble)))

    def _note_all(self, group: tuple[Work, ...], trouble: Trouble) -> None:
        outcome = self._outcome(trouble)
        self.results.extend((work.index, outcome) for work in group)

    def _outcome(self, trouble: Trouble) -> Outcome:
        session = self._session
        outcome = Outcome(
            kind=trouble.kind,
            cause=trouble.cause,
            at=self._clock.now(),
            stage=trouble.stage,
            road=self._lease.road.name,
            host=trouble.host or session.host,
            reply=trouble.reply,
            detail=trouble.detail,
            tls=trouble.tls or session.tls,
            plaintext_fallback=session.fallback,
            retry_after=trouble.retry_after,
            lasting=trouble.lasting,
            seconds=self._clock.monotonic() - self._t0,
        )
        self.refusals.append(outcome)
        return outcome


def _goodbye(event: TransactionDone) -> bool:
    """Whether the peer answered MAIL with 421: this connection has had its share, another may do."""
    return all(stage == "mail" and reply.code == 421 for stage, reply in event.results)


def _too_many(reply: Reply) -> bool:
    return reply.code in (452, 552) and classify(Stage.RCPT, reply).cause is Cause.TOO_MANY_RECIPIENTS


def _tunnelled(lease: Lease, session: Session) -> bytes:
    """Return the priority as a header field, where the peer knows no parameter for it (RFC 6758 section 3.3).

    A field that came with the message was taken out at submission.
    """
    said = lease.params.mt_priority
    return b"" if said is None or session.offer.mt_priority else b"MT-Priority: %d\r\n" % said
