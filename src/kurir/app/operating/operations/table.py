"""The table of all verbs, and the one place where they are called."""

import os
from collections.abc import Callable
from typing import Any

import msgspec

from kurir import __version__
from kurir.app.ipc.wire import Result
from kurir.app.keys.dkim import KeyDesk, KeyDeskError
from kurir.app.learnt import lessons
from kurir.app.learnt.allowances import Allowances
from kurir.config import Config
from kurir.identity import AccountError, AccountStore
from kurir.model import AddressError, Clock
from kurir.model.told import of_error, pack, told
from kurir.queue import Brain, Forecast
from kurir.storage import EraseReport, Layout

from .accounts import AccountVerbs
from .addresses import AddressVerbs
from .protection import ProtectionVerbs
from .traffic import TrafficVerbs
from .verbs import Verbs, Wrong


class Operations:
    """The table: ``run("queue.hold", {...})``."""

    def __init__(
        self,
        config: Config,
        brain: Brain,
        accounts: AccountStore,
        layout: Layout,
        clock: Clock,
        forget: Callable[[str, str], EraseReport],
        keys: KeyDesk,
    ) -> None:
        self._config = config
        self._brain = brain
        self._started = clock.now()
        self._allowances = Allowances(config, brain, lessons.allowed(config, layout, clock))
        self._verbs: Verbs = {
            "status": self._status,
            **TrafficVerbs(brain, layout, self._allowances).verbs,
            **AccountVerbs(config, accounts, clock).verbs,
            **AddressVerbs(config, layout, clock, forget).verbs,
            **ProtectionVerbs(config, layout, clock, keys).verbs,
        }

    async def run(self, op: str, args: dict[str, Any]) -> Result:
        """Do one verb."""
        verb = self._verbs.get(op)
        if verb is None:
            return Result(
                error=pack(told("the server does not know {op!r}; it may be older than this command", op=op))
            )
        try:
            return Result(value=await verb(**args))
        except (Wrong, AccountError, AddressError, KeyDeskError) as e:
            return Result(error=pack(of_error(e)))
        except TypeError as e:
            return Result(error=pack(f"{op}: {e}"))

    def foresee(self, number: int) -> list[Forecast]:
        """Return when the recipients of a message just accepted go, where limits may let them wait."""
        return self._allowances.foretell(number)

    async def _status(self) -> dict[str, Any]:
        figures = self._brain.figures()
        refusal = self._brain.ready(None)
        return {
            "version": __version__,
            "hostname": self._config.server.hostname,
            "since": self._started,
            "pid": os.getpid(),
            "ready": refusal is None,
            "why": str(refusal) if refusal else "",
            "figures": msgspec.to_builtins(figures),
            "sites": [msgspec.to_builtins(s) for s in self._brain.overview.sites()],
            "roads": [dict(msgspec.to_builtins(s)) for s in self._brain.roads.states()],
        }
