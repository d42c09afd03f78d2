"""What goes over the channel between the brain and the other roles: names and types in one table."""

from typing import Any

import msgspec

from kurir.model import Observation, Reply
from kurir.model.told import Packed
from kurir.queue import Busy, Forecast
from kurir.queue.asks import Accepted, Incoming, Lease, NoticeWork, Plan, PlanRequest, Refused, Settlement
from kurir.web import Figures


class Hello(msgspec.Struct, frozen=True, kw_only=True):
    """First call of a role on a new channel.  A hand says its slots and what it is busy with; others have 0 slots."""

    role: str
    pid: int
    slots: int = 0
    busy: tuple[Busy, ...] = ()


class Client(msgspec.Struct, frozen=True, array_like=True):
    """A connection: the client's address and the name of the listener."""

    client: str
    listener: str


class Message(msgspec.Struct, frozen=True, array_like=True):
    """A message that begins: its size as announced, and the client's address where its messages are counted."""

    size: int | None
    stranger: str


class LoginTry(msgspec.Struct, frozen=True, array_like=True):
    """A login: before it (`success` None), or how it ended."""

    client: str
    account: str
    success: bool | None = None


class Taken(msgspec.Struct, frozen=True):
    """Answer to "accept"."""

    accepted: Accepted | None = None
    refused: Refused | None = None


class Operation(msgspec.Struct, frozen=True):
    """What an operator asks."""

    op: str
    args: dict[str, Any]


class Result(msgspec.Struct, frozen=True):
    """Answer to an operation: a value, or an error to be said to the asker."""

    value: Any = None
    error: Packed | None = None


# name -> type of the body, towards the brain
TO_BRAIN: dict[str, Any] = {
    "hello": Hello,
    "leaving": None,
    "admit": Client,
    "departed": Client,
    "login_allowed": LoginTry,
    "login_result": LoginTry,
    "ready": Message,
    "accept": Incoming,
    "foresee": int,
    "observe": list[Observation],
    "planned": list[Plan],
    "settle": list[Settlement],
    "operate": Operation,
    "figures": Figures,
    "gather": None,
}

# name -> type of the answer of a call towards the brain
ANSWERS: dict[str, Any] = {
    "hello": None,
    "admit": Reply | None,
    "login_allowed": float,
    "ready": Reply | None,
    "accept": Taken,
    "foresee": list[Forecast],
    "settle": bool,
    "operate": Result,
    "gather": list[Figures],
}

# name -> type of the body, from the brain to a hand
TO_HAND: dict[str, Any] = {
    "plan": list[PlanRequest],
    "work": list[Lease],
    "notice": list[NoticeWork],
}
