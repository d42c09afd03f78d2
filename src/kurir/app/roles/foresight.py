"""Reception's view of the way out, for mail that must travel sealed: made when the first such message comes.

Its desk reads what the delivery processes have learnt and writes nothing.
"""

from random import Random

from kurir.app.operating import tlslook
from kurir.app.operating.control import ControlError
from kurir.app.process.logs import Log
from kurir.app.wiring import roads, settings
from kurir.config import Config
from kurir.delivery import Examiner, Foresight, ForesightSettings, NetDialer
from kurir.delivery.tlspolicy import TlsDesk
from kurir.model import Clock, Prospect
from kurir.net import CachingResolver, ClientTlsFactory, TlsLevel, WebClient


class LateForesight:
    """`kurir.reception.ports.Foresight` that costs nothing before it is asked."""

    def __init__(
        self, config: Config, resolver: CachingResolver, tls: ClientTlsFactory, clock: Clock, log: Log
    ) -> None:
        self._config = config
        self._resolver = resolver
        self._tls = tls
        self._clock = clock
        self._log = log
        self._made: Foresight | None = None
        self._memory: tlslook.Memory | None = None

    async def prospect(self, sender: str, domain: str, *, strict: bool) -> Prospect:
        """As `Foresight.prospect`."""
        if self._made is None:
            self._made = self._make()
        return await self._made.prospect(sender, domain, strict=strict)

    def close(self) -> None:
        """Let go of the memory."""
        if self._memory is not None:
            self._memory.close()

    def _make(self) -> Foresight:
        config, resolver, clock = self._config, self._resolver, self._clock
        try:
            self._memory = tlslook.memory(config)
        except ControlError as e:
            self._log.warning("tls_memory_unavailable", why=str(e))
        fetch = WebClient(resolver, self._tls.level(TlsLevel.VERIFIED), settings.web(config)).fetch
        policy = settings.tls_out(config, trusted_resolver=resolver.vouched)
        desk = TlsDesk(policy, resolver, fetch, clock, store=self._memory)
        desk.load()
        dialer = NetDialer(self._tls, source=(config.net.source,) if config.net.source else ())
        order = Random()  # noqa: S311 - order of equal MX hosts
        examiner = Examiner(roads.delivery(config), resolver, dialer, clock, desk, order)
        return Foresight(ForesightSettings(limit=config.tls_out.foresee), examiner, clock)
