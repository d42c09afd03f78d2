"""What must hold after every run, whatever went wrong on the way."""

from typing import TYPE_CHECKING

from kurir.model import Cause, EventKind, Fate, OutcomeKind, encode_id

if TYPE_CHECKING:
    from .world import World

MOST_ATTEMPTS = 120


class Broken(Exception):
    """A rule is broken; the world has noted which."""


def unsettled(world: "World") -> list[str]:
    """Return what still waits for something else than a person."""
    facts = world.disk.facts
    waiting = [
        f"{encode_id(number)} recipient {state.index} {facts.messages[number].recipients[state.index].address}"
        for number, states in facts.states.items()
        for state in states.values()
        if state.fate is None and state.held is None
    ]
    return waiting + [f"notice {n.id}" for n in facts.open_notices()]


def check_end(world: "World") -> None:
    """Nothing lost, nothing invented, nothing twice without a reason."""
    facts = world.disk.facts
    for line in facts.imbalance():
        world.wrong(f"conservation: {line}")
    if sorted(facts.messages) != list(range(1, len(facts.messages) + 1)):
        world.wrong("accept numbers are not dense")
    _promises(world)
    for number in facts.messages:
        for index in facts.states[number]:
            _recipient(world, number, index)
    tokens: dict[str, int] = {}
    for message in facts.messages.values():
        if message.notice_of is None:
            body = (
                message.body
                if message.body is not None
                else world.disk.files.files.get(message.body_file or "")
            )
            if body is None:
                world.wrong(f"the body of {encode_id(message.number)} is gone")
                continue
            token = body.partition(b"X-Token: ")[2].partition(b"\r\n")[0].decode()
            tokens[token] = tokens.get(token, 0) + 1
    for token, count in tokens.items():
        if count > world.dots[token]:
            world.wrong(f"{token} was accepted {count} times, but completed {world.dots[token]} times")


def _promises(world: "World") -> None:
    aliases = world.directory_settings.aliases
    for number, (token, recipients) in world.promised.items():
        message = world.disk.facts.messages[number]
        wanted = {str(t) for r in recipients for t in _targets(aliases, r)}
        have = {str(r.address) for r in message.recipients}
        if wanted != have:
            world.wrong(f"{token} was promised for {sorted(wanted)}, kept for {sorted(have)}")


def _targets(aliases, address: str):  # type: ignore[no-untyped-def]
    found = aliases.get(address)
    if found is None:
        return [address]
    return [t for target in found for t in _targets(aliases, str(target))]


def _recipient(world: "World", number: int, index: int) -> None:
    facts = world.disk.facts
    state = facts.states[number][index]
    address = str(facts.messages[number].recipients[index].address)
    name = f"{encode_id(number)} for {address}"
    events = [e for e in facts.events[number] if e.recipient == index]
    deliveries = world.deliveries[number, address]
    attempts = [e.outcome for e in events if e.kind is EventKind.ATTEMPTED and e.outcome is not None]
    if len(attempts) > MOST_ATTEMPTS:
        world.wrong(f"{name}: {len(attempts)} attempts")
    if state.fate in (Fate.HANDED_OVER, Fate.DELIVERED) and not deliveries:
        world.wrong(f"LOST: {name} is {state.fate.value}, but nobody has it")
    unsure = sum(o.possibly_delivered for o in attempts) + sum(e.kind is EventKind.RECOVERED for e in events)
    success = state.fate in (Fate.HANDED_OVER, Fate.DELIVERED)
    if deliveries > success + unsure + world.excused[number, address]:
        world.wrong(f"{name}: delivered {deliveries} times, of which {unsure} explained")
    if state.fate is Fate.BOUNCED:
        last = attempts[-1]
        said = last.reply is not None and any(w in last.reply.text for w in world.said)
        denied = last.cause in (Cause.UNKNOWN_DOMAIN, Cause.LOOP) and last.reply is None
        if last.kind is not OutcomeKind.FAILED or not (said or denied):
            world.wrong(f"{name} bounced without a reason: {last.cause.value} {last.reply}")
    if state.fate is None and not state.held:
        world.wrong(f"{name} waits for ever")
    if state.held and not any(e.kind is EventKind.HELD for e in events):
        world.wrong(f"{name} is held without a word")


def check_leaks(world: "World") -> None:
    """Nothing stays behind once nothing is left to do."""
    machine = world.machine
    brain, hand = machine.brain.brain, machine.delivery.hand
    figures = brain.figures()
    held = sum(
        s.held is not None
        for states in world.disk.facts.states.values()
        for s in states.values()
        if s.fate is None
    )
    counts = {
        "waiting": (figures.waiting, held),
        "ready": (figures.ready, 0),
        "leases": (figures.open_leases, 0),
        "open notices": (figures.open_notices, 0),
        "adopted": (len(brain._leasing._latecomers._adopted), 0),
        "untold": (len(brain._leasing._latecomers._untold), 0),
        "wheel": (len(brain._leasing._leases), 0),
        "issued": (len(brain._notices._issued), 0),
        "fresh": (brain._book.fresh.held, 0),
        "unplanned": (len(brain._schedule.plans._waiting), 0),
        "connections counted": (machine.brain.connections.connections, 0),
        "in the hand": (len(hand._in_work), 0),
        "sites of the hand": (len(hand._sites), 0),
        "tasks of the hand": (len(hand._tasks), 0),
        "sessions": (machine.reception.reception.open, 0),
    }
    for name, (have, want) in counts.items():
        if have != want:
            world.wrong(f"leak: {have} {name} instead of {want}")
    mine = [s for s in world.net.open if s.owner.name in world.parts]
    if mine:
        world.wrong(f"leak: {len(mine)} open streams, e.g. with {mine[0].peer}")
    for role, process in world.parts.items():
        names = [t.get_coro().__qualname__ for t in process.living_tasks()]  # type: ignore[union-attr]
        unknown = [n for n in names if n != "BrainLink._run"]
        if unknown:
            world.wrong(f"leak: {role} still has {len(unknown)} tasks: {unknown[:3]}")
