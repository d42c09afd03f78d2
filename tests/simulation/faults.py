"""What goes wrong, and when: a plan drawn from the seed before anything runs.

Most faults last a while and are undone; a crash is *armed*: it strikes after a drawn number of callbacks, or at the n-th
time that an interesting moment comes by (a commit under way, a commit just done, a body file finished, a destination
that has just taken a message); a failing sync can be armed the same way.  `heal` ends all of it for good.
"""

from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .world import World

HOUR = 3600.0
DAY = 24 * HOUR
MOMENTS = ("committing", "synced", "taken", "body-finished", "leased", "acknowledged")
FAIL = "(the next sync fails)"
LASTING = ("network", "dns", "peers", "host", "disk-full", "disk-low", "slow-sync", "files")
SUDDEN = (
    "crash",
    "crash",
    "crash-at",
    "crash-at",
    "crash-at",
    "sync-fails",
    "sync-fails-at",
    "clock",
    "stop",
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One line of the plan: `what` at `at` (virtual seconds) for `lasts` seconds, `strength` 0 to 1."""

    at: float
    what: str
    lasts: float
    strength: float
    choice: int


@dataclass(slots=True)
class Faults:
    """The plan and what of it holds now.  `senders` is how often a sender misbehaves."""

    plan: tuple[Fault, ...]
    senders: float = 0.0
    healed: bool = False
    armed: dict[str, tuple[int, str]] = field(
        default_factory=dict
    )  # moment -> (how many to go, whom to kill)


def draw(random: Random, duration: float, *, without: frozenset[str] = frozenset()) -> Faults:
    """Draw a plan.  A third of the seeds is calm, so that rules that only hold without faults are tried too."""
    kinds = [w for w in (*LASTING, *SUDDEN) if w not in without]
    kinds = random.sample(kinds, random.randint(1, len(kinds)))  # swarm testing: each seed has its own mix
    count = random.choice((0, 5, 15, 40))
    plan = [
        Fault(
            at=random.uniform(0, duration),
            what=random.choice(kinds),
            lasts=random.choice((1.0, 60.0, 1800.0, 4 * HOUR)),
            strength=random.random(),
            choice=random.randrange(1 << 16),
        )
        for _ in range(count)
    ]
    plan.sort(key=lambda fault: fault.at)
    return Faults(tuple(plan), senders=random.choice((0.0, 0.2, 0.5)) if count else 0.0)


def strike(world: "World", fault: Fault) -> None:
    """Let a fault begin; those that last are undone later."""
    world.trace("fault", fault.what, round(fault.lasts), round(fault.strength, 3))
    if fault.what in LASTING:
        _set(world, fault, on=True)
        world.nature(fault.lasts, _set, world, fault, False)
    elif fault.what == "crash":
        _arm(world, fault)
    elif fault.what == "crash-at":
        moment = MOMENTS[fault.choice % len(MOMENTS)]
        world.faults.armed[moment] = (1 + fault.choice // 7 % 5, _victim(world, fault))
    elif fault.what == "sync-fails-at":
        moment = ("body-finished", "leased", "acknowledged")[fault.choice % 3]
        world.faults.armed[moment] = (1 + fault.choice // 7 % 3, FAIL)
    elif fault.what == "sync-fails":
        world.disk.mood.fail_syncs += 1
    elif fault.what == "clock":
        days = (400, -400, 3, -3, 0.1)[fault.choice % 5]
        world.clock.jump(days * DAY)
    elif fault.what == "stop":
        world.stop_gently(_victim(world, fault))


def _victim(world: "World", fault: Fault) -> str:
    roles = sorted(world.parts)
    return roles[fault.choice % len(roles)]


def _arm(world: "World", fault: Fault) -> None:
    steps = int(300 * fault.strength**2)
    victim = _victim(world, fault)
    world.loop.at_step = (world.loop.steps + steps, lambda: world.kill(victim, f"after {steps} steps"))


def _set(world: "World", fault: Fault, on: bool) -> None:
    if on and world.faults.healed:
        return
    level = fault.strength if on else 0.0
    mood = world.disk.mood
    hosts = sorted(world.destinations)
    host = hosts[fault.choice % len(hosts)]
    if fault.what == "network":
        world.net.badness = level
    elif fault.what == "dns":
        world.resolver.badness = level
    elif fault.what == "peers":
        for each in hosts:
            world.destinations[each].badness = level
    elif fault.what == "host":
        how = ("refused", "silent", "unreachable")[fault.choice % 3]
        if on:
            world.net.shut[host] = how
        else:
            world.net.shut.pop(host, None)
    elif fault.what == "disk-full":
        mood.full = on
    elif fault.what == "disk-low":
        mood.nearly_full = on
    elif fault.what == "slow-sync":
        mood.sync_seconds = 8.0 if on else 0.002
    elif fault.what == "files":
        mood.fail_files = level


def moment(world: "World", name: str) -> None:
    """Something interesting just happened: an armed crash may be due."""
    armed = world.faults.armed.get(name)
    if armed is None or world.faults.healed:
        return
    left, victim = armed
    if left > 1:
        world.faults.armed[name] = (left - 1, victim)
        return
    del world.faults.armed[name]
    if victim == FAIL:
        world.disk.mood.fail_syncs += 1
        return
    # Not from within the callback that reports it: at the next one, whatever that is.
    world.loop.at_step = (world.loop.steps + 1, lambda: world.kill(victim, f"at {name}"))


def heal(world: "World") -> None:
    """Everything works from now on."""
    world.faults.healed = True
    world.faults.senders = 0.0
    world.faults.armed.clear()
    world.loop.at_step = None
    world.net.badness = world.resolver.badness = 0.0
    world.net.shut.clear()
    for destination in world.destinations.values():
        destination.badness = 0.0
    mood = world.disk.mood
    mood.full = mood.nearly_full = False
    mood.fail_syncs, mood.fail_files, mood.sync_seconds = 0, 0.0, 0.002
    world.trace("fault", "healed")
