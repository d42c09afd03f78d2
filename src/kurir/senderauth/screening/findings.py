"""What the checks of one message found: for the header field, for the trace, and for whoever may be told later."""

from collections.abc import Iterator
from dataclasses import dataclass

from kurir.model import Address, Check
from kurir.senderauth.arc import ArcReason, ArcVerdict, of_arc
from kurir.senderauth.dkim import DkimReason, DkimVerdict, of_dkim
from kurir.senderauth.dmarc import DmarcResult, DmarcVerdict
from kurir.senderauth.iprev import ReverseVerdict
from kurir.senderauth.results import MethodResult, of_dmarc, of_reverse, of_spf
from kurir.senderauth.spf import SpfIdentity, SpfResult, SpfVerdict

MAX_SIGNATURES = 10  # that are told of; more are checked and counted, and nobody reads on
MAX_VALUE = 255  # characters of a value in a fact


@dataclass(frozen=True, slots=True)
class Findings:
    """The verdicts on one message."""

    spf: SpfVerdict
    dkim: tuple[DkimVerdict, ...]
    arc: ArcVerdict
    dmarc: DmarcVerdict
    reverse: ReverseVerdict
    helo: SpfVerdict | None = (
        None  # of the host's own name, where it has a record and MAIL FROM another domain
    )

    @property
    def signed(self) -> bool:
        """Whether at least one signature is valid."""
        return any(verdict.passed for verdict in self.dkim)

    def results(self) -> Iterator[MethodResult]:
        """Yield what stands in Authentication-Results, what matters most first."""
        yield of_dmarc(self.dmarc)
        yield of_spf(self.spf)
        if self.helo is not None:
            yield of_spf(self.helo)
        for verdict in self.dkim[:MAX_SIGNATURES]:
            yield of_dkim(verdict)
        if self.arc.reason is not ArcReason.NO_CHAIN:
            yield of_arc(self.arc)
        yield of_reverse(self.reverse)

    def checks(self) -> Iterator[Check]:
        """Yield the facts for the trace, in the order in which a person asks."""
        yield fact("spf", self.spf.result.value, self.spf.key, self.spf.values)
        if self.helo is not None:
            yield fact("helo", self.helo.result.value, self.helo.key, self.helo.values)
        for verdict in self.dkim[:MAX_SIGNATURES]:
            yield fact("dkim", verdict.result.value, verdict.key, verdict.values)
        if self.arc.reason is not ArcReason.NO_CHAIN:
            yield fact("arc", self.arc.result.value, self.arc.key, self.arc.values)
        yield fact("dmarc", self.dmarc.result.value, self.dmarc.key, self.dmarc.values)
        yield fact("iprev", self.reverse.result, self.reverse.key, self.reverse.values)

    def words(self) -> str:
        """Return the results in one short line for an observation: ``dmarc=fail (a.example), spf=none, ...``."""
        signatures = {v.result.value: None for v in self.dkim if v.reason is not DkimReason.NO_SIGNATURE}
        author = f" ({self.dmarc.author})" if self.dmarc.author else ""
        parts = [f"dmarc={self.dmarc.result.value}{author}", f"spf={self.spf.result.value}"]
        return ", ".join([*parts, *(f"dkim={result}" for result in signatures or ("none",))])

    def proves(self, reverse_path: Address | None) -> bool:
        """Whether a report to this address cannot hit somebody whose name was forged.

        SPF proves the reverse-path itself.  DMARC proves the author, so that it counts only where the
        reverse-path is in the author's domain or organization.
        """
        if reverse_path is None:
            return False
        domain = reverse_path.domain
        if self.spf.identity is SpfIdentity.MAIL_FROM and self.spf.result is SpfResult.PASS:
            return self.spf.domain == domain
        if self.dmarc.result is not DmarcResult.PASS:
            return False
        tops = (self.dmarc.author, self.dmarc.organization)
        return any(top and (domain == top or domain.endswith("." + top)) for top in tops)


def fact(method: str, result: str, key: str, values: dict[str, str]) -> Check:
    """Return a fact for the trace; values are cut to what a line can show."""
    return Check(
        method, result, key, tuple((name, value[:MAX_VALUE]) for name, value in values.items() if value)
    )
