"""Doing an operator's verb from the command line: through the running server, or on a stopped one under its lock."""

import asyncio
import getpass
import random
from collections.abc import Callable
from typing import Any

from kurir.app.keys.dkim import KeyDesk
from kurir.app.operating.housekeeping import Forgetting
from kurir.app.process.clock import SystemClock
from kurir.app.wiring import settings
from kurir.config import Config
from kurir.model.told import told, unpack
from kurir.queue import Brain
from kurir.storage import KeyFolder, SqliteAccounts, SqliteFacts, StateLock, StateLocked

from . import control
from .control import ControlError, NotRunning
from .operations import Operations


def operate(config: Config, op: str, **args: Any) -> Any:
    """Return the verb's answer.  Raises `ControlError`."""
    args["by"] = getpass.getuser()
    try:
        return control.call(config.server.state / settings.CONTROL_SOCKET, op, **args)
    except NotRunning:
        return asyncio.run(_offline(config, op, args))


async def _offline(config: Config, op: str, args: dict[str, object]) -> Any:
    """Do it on a stopped server: nobody else may write meanwhile."""
    layout, clock = settings.layout(config), SystemClock()
    loop = asyncio.get_running_loop()

    def post(call: Callable[[], None]) -> None:
        loop.call_soon(call)

    try:
        lock = StateLock(layout)
    except StateLocked as e:
        raise ControlError(told("{why}; its control socket does not answer", why=e)) from None
    with lock:
        facts, accounts = SqliteFacts(layout, clock), SqliteAccounts(layout, clock)
        try:
            brain = Brain(
                facts, settings.queue(config), clock=clock, roll=random.random, free_space=lambda: 1 << 62,
                post=post, threaded=False,
            )  # fmt: skip
            brain.load()
            forget = Forgetting(config, facts, clock)
            keys = KeyDesk(KeyFolder(layout), settings.keys(config), clock)
            operations = Operations(config, brain, accounts, layout, clock, forget.erase, keys)
            result = await operations.run(op, args)
        finally:
            accounts.close()
            facts.close()
    if result.error is not None:
        raise ControlError(unpack(result.error))
    return result.value
