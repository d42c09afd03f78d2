"""Mail comes in: connections from `kurir.net`, decisions here, messages to the brain.

`Reception.serve` takes connections; each is a `Session` that drives `kurir.smtp.Server`, and asks the `dialogue`
what to answer to whom (`visitor`):

    greet (BrainDoor.admit) -> STARTTLS -> AUTH (`authentication`) -> MAIL (ready, own sender)
      -> RCPT (`transaction`: the `relay` rule, the directory, the next hop's word)
      -> body (`intake`: `body` collects, the header is looked at once, `submission` completes)
      -> BrainDoor.accept -> only now "250 <id>"

Everything that a stranger sends is decided while it is connected, so nothing has to be bounced later.
`ports` says what is asked of the brain, the next hop and the disk; `replies` has every reply we give.
"""

from .desk import Counts, Desk
from .ports import Admission, BodyFile, BodyFiles, BrainDoor, RecipientVerifier, ServerStream
from .relay import Client, Grant, may_relay
from .server import Reception
from .session import Session
from .settings import Deadlines, ListenerSettings, ReceptionSettings, Role

__all__ = [
    "Admission",
    "BodyFile",
    "BodyFiles",
    "BrainDoor",
    "Client",
    "Counts",
    "Deadlines",
    "Desk",
    "Grant",
    "ListenerSettings",
    "Reception",
    "ReceptionSettings",
    "RecipientVerifier",
    "Role",
    "ServerStream",
    "Session",
    "may_relay",
]
