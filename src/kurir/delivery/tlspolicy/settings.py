"""What the TLS policy is told: the operator's rules, and how long lost protection is waited for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from .dane import DaneSettings
from .facts import AfterLoss, Rule
from .stscache import StsSettings

_NO_DANE, _NO_STS = DaneSettings(on=False), StsSettings(on=False)
_NO_RULES: Mapping[str, Rule] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """`domains` are rules for recipients' domains, ``example.org`` or ``*.example.org``; they win over a road's rule.

    `loss_delay` is how many seconds mail waits for encryption that was there before; `after_loss` what happens then.
    `look_again` is how often what other processes have learnt is taken over, in seconds.
    """

    domains: Mapping[str, Rule] = field(default_factory=lambda: _NO_RULES)
    dane: DaneSettings = _NO_DANE
    sts: StsSettings = _NO_STS
    memory: bool = False
    loss_delay: float = 4 * 3600.0
    after_loss: AfterLoss = AfterLoss.SEND
    trusted_resolver: bool = False
    look_again: float = 5.0
    count_every: float = 30.0

    def rule_for(self, domain: str, usual: Rule) -> Rule:
        """Return the rule for a recipient's domain: its own, else that of the nearest parent, else `usual`."""
        if not self.domains:
            return usual
        found = self.domains.get(domain)
        rest = domain
        while found is None and rest:
            _, _, rest = rest.partition(".")
            found = self.domains.get(f"*.{rest}") if rest else self.domains.get("*")
        return found or usual
