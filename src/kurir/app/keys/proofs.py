"""Showing an authority that a name is ours: files that the door on port 80 serves, or records that a hook sets."""

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from kurir.identity.acme import AcmeError, Proof
from kurir.model.told import told

HOOK_SECONDS = 300.0
_SHOWN = 300  # characters of what a hook says


class Proofs(Protocol):
    """Makes proofs visible and takes them away.  Both raise `AcmeError`."""

    async def publish(self, proof: Proof) -> None:
        """Return when the proof can be seen."""
        ...

    async def withdraw(self, proof: Proof) -> None:
        """Take it away; one that is not there is fine."""
        ...


class ServedProofs:
    """http-01: what `Site` asks for a token."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    def value(self, token: str) -> str | None:
        """Return what the file of a token says."""
        return self._values.get(token)

    async def publish(self, proof: Proof) -> None:
        """Serve it from now on."""
        self._values[proof.token] = proof.value

    async def withdraw(self, proof: Proof) -> None:
        """Serve it no more."""
        self._values.pop(proof.token, None)


class HookedProofs:
    """dns-01: a program of the operator's is called, without a shell, as ``HOOK add|remove NAME VALUE``."""

    def __init__(self, hook: Path) -> None:
        self._hook = hook

    async def publish(self, proof: Proof) -> None:
        """Have the record set."""
        await self._call("add", proof)

    async def withdraw(self, proof: Proof) -> None:
        """Have the record removed."""
        await self._call("remove", proof)

    async def _call(self, verb: str, proof: Proof) -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("KURIR_")}
        try:
            process = await asyncio.create_subprocess_exec(
                self._hook, verb, proof.record, proof.value, env=environment,
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            )  # fmt: skip
        except OSError as e:
            raise AcmeError(
                told("the hook {hook} cannot be run: {why}", hook=self._hook, why=e.strerror or e)
            ) from e
        try:
            async with asyncio.timeout(HOOK_SECONDS):
                said, _ = await process.communicate()
        except TimeoutError:
            raise AcmeError(
                told(
                    "the hook {hook} did not end in {seconds:.0f} seconds",
                    hook=self._hook,
                    seconds=HOOK_SECONDS,
                )
            ) from None
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode:
            words = "".join(c if c.isprintable() else " " for c in said.decode("utf-8", "replace"))
            raise AcmeError(
                told(
                    "the hook {hook} {verb} {name} failed ({code}): {said}",
                    hook=self._hook,
                    verb=verb,
                    name=proof.record,
                    code=process.returncode,
                    said=words.strip()[-_SHOWN:] or "-",
                )
            )
