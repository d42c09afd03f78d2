"""Logging in at a smarthost with an access token instead of a password (RFC 7628)."""

from kurir.delivery.oauth import NoToken, OAuthClient, TokenSource
from kurir.delivery.settings import NextHop
from kurir.identity.sasl.bearer_client import choose_bearer
from kurir.smtp.client import AuthChallenged, AuthDone, ClientEvent

from .session import Session


async def log_in(
    session: Session, hop: NextHop, client: OAuthClient, tokens: TokenSource | None, timeout: float
) -> ClientEvent | str:
    """Log in; return the last event (`AuthDone` with 2xx is success), or why it was not even tried.

    A kept token that the server refuses is replaced once: it may have been revoked.  Raises `NetError`.
    """
    if tokens is None:
        return "this process has no access tokens"
    extensions = session.client.extensions
    offered = extensions.keywords.get("AUTH", ()) if extensions is not None else ()
    while True:
        try:
            token = await tokens.token(client)
        except NoToken as error:
            return f"{error} (4.7.0)"
        mechanism = choose_bearer(offered, hop.username, token, host=hop.host, port=hop.port)
        if mechanism is None:
            return f"the server takes no access tokens, only: {', '.join(offered) or 'nothing'} (4.7.9)"
        session.client.auth(mechanism.name, mechanism.start())
        event = await session.event(timeout)
        while isinstance(event, AuthChallenged):
            session.client.auth_response(mechanism.answer(event.data))
            event = await session.event(timeout)
        refused = isinstance(event, AuthDone) and event.reply.klass == 5
        if not refused or not tokens.refused(client, token):
            return event
