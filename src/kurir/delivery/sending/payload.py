"""The body as this peer can take it: as it came, or derived to 7-bit (RFC 6152 section 3).

Small bodies are handled in memory, large ones stream: a conversion reads them twice rather than keep them.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from kurir.delivery.connecting.session import Offer, Trouble
from kurir.delivery.ports import Bodies
from kurir.message.eightbit import ConversionPlan, Converter, convert_chunks, plan_conversion
from kurir.message.limits import MimeLimits
from kurir.message.structure import Surveyor
from kurir.model import Cause, OutcomeKind, Stage
from kurir.queue.asks import Lease

from .fit import Fit, header_needs_utf8

HEADER_LIMIT = 1024 * 1024  # a header block above this is not searched for its end


@dataclass(frozen=True, slots=True)
class Payload:
    """`whole` is a small body; None for a large one, which `stream` yields, converted where there is a `plan`.

    `size` in octets, None where a conversion on the way makes it unknown.  `form` names the form: "" as it came.
    """

    whole: bytes | None
    size: int | None
    plan: ConversionPlan | None = None
    form: str = ""

    async def stream(self, lease: Lease, bodies: Bodies) -> AsyncIterator[bytes]:
        """Yield a large body.  Raises `BodyDamaged` at its end."""
        if self.plan is None:
            async for chunk in bodies.chunks(lease):
                yield chunk
            return
        converter = Converter(self.plan)
        async for chunk in bodies.chunks(lease):
            yield converter.feed(chunk)
        yield converter.close()


async def prepare(lease: Lease, bodies: Bodies, offer: Offer, wanted: Fit, host: str) -> Payload | Trouble:
    """Return the body in the form that fits, or why there is none.  Raises `BodyDamaged`."""
    whole = lease.body
    if whole is None and lease.body_file is None:
        whole = await bodies.whole(lease)
    if wanted.ascii_header:
        head = whole if whole is not None else await bodies.head(lease, HEADER_LIMIT)
        if not head[: _header_end(head)].isascii():
            return header_needs_utf8(host)
    # A client may have sent 8-bit octets without saying so: look, where the peer cannot take them.
    if not wanted.convert and (offer.eightbit or (whole is not None and whole.isascii())):
        return Payload(whole, lease.size)
    surveyor = Surveyor(MimeLimits())
    if whole is not None:
        surveyor.feed(whole)
    else:
        async for chunk in bodies.chunks(lease):
            surveyor.feed(chunk)
    plan = plan_conversion(surveyor.close(), keep_headers=offer.smtputf8)
    if plan.obstacle is not None:
        return Trouble(
            stage=Stage.MAIL,
            cause=Cause.NEEDS_8BIT,
            kind=OutcomeKind.FAILED,
            host=host,
            detail=f"the server takes only 7-bit mail, and this one cannot be converted: {plan.obstacle.value} (5.6.3)",
        )
    if plan.idle:
        return Payload(whole, lease.size)
    form = "7bit, 8-bit header" if offer.smtputf8 else "7bit"
    if whole is None:
        return Payload(None, None, plan, form)
    derived = b"".join(convert_chunks((whole,), plan))
    return Payload(derived, len(derived), None, form)


def _header_end(message: bytes) -> int:
    end = message.find(b"\r\n\r\n")
    return len(message) if end < 0 else end
