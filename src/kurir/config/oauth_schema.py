"""The sections about OAuth: whose tokens log in here, and with whose tokens we log in elsewhere."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PrivateAttr, model_validator

from kurir.model.told import told
from kurir.net.web import why_not_url

from .section import Section


def _web_address(text: str) -> str:
    why = why_not_url(text)
    if why is not None:
        raise ValueError(
            told("{text!r} cannot be asked: use https:// (http:// only on this machine)", text=text)
        )
    return text


WebAddress = Annotated[str, AfterValidator(_web_address)]


class RoadOAuthSection(Section):
    """Login at a smarthost with OAuth (XOAUTH2, OAUTHBEARER): a refresh token is exchanged for access tokens."""

    provider: Literal["gmail", "microsoft", "other"] = Field(
        "other", description="Whose token address and scope to take; other needs token_url."
    )
    token_url: WebAddress | None = Field(None, description="Where access tokens are had.")
    client_id: str = Field(description="The program's id at the provider.", min_length=1)
    client_secret_file: Path | None = Field(
        None, description="File with the program's secret, where it has one."
    )
    refresh_token_file: Path = Field(description="File with the refresh token that the user's consent gave.")
    scope: str | None = Field(
        None, description="What the access token is asked for; default that of the provider."
    )
    _client_secret: str = PrivateAttr("")
    _refresh_token: str = PrivateAttr("")

    @property
    def client_secret(self) -> str:
        """What stands in `client_secret_file`; "" until somebody has read it (`with_secrets`)."""
        return self._client_secret

    @property
    def refresh_token(self) -> str:
        """What stands in `refresh_token_file`; "" until somebody has read it (`with_secrets`)."""
        return self._refresh_token

    def with_secrets(self, client_secret: str, refresh_token: str) -> "RoadOAuthSection":
        """Return the section with what was read; it shows up in no representation."""
        section = self.model_copy()
        section._client_secret, section._refresh_token = client_secret, refresh_token  # noqa: SLF001 - a copy of our own
        return section

    @model_validator(mode="after")
    def _where(self) -> "RoadOAuthSection":
        if self.provider == "other" and self.token_url is None:
            raise ValueError(told("token_url is missing: name it, or a provider (gmail, microsoft)"))
        return self


class OAuthSection(Section):
    """Logins with bearer tokens (OAUTHBEARER, XOAUTH2) of one issuer; not offered without this section."""

    issuer: str = Field(description='Who issues the tokens, exactly as their "iss" says.', min_length=1)
    audience: list[str] = Field(
        description='One of these must be in a token\'s "aud"; else tokens for other services would log in here.',
        min_length=1,
    )
    jwks: str | None = Field(
        None, description="The issuer's public keys: path of a file, or an https:// address."
    )
    introspection: WebAddress | None = Field(
        None, description="Ask the issuer about each token at this address (RFC 7662), instead of jwks."
    )
    client_id: str = Field("", description="Our login at the introspection address.")
    client_secret_file: Path | None = Field(None, description="File with the password for it.")
    algorithms: list[
        Literal[
            "RS256",
            "RS384",
            "RS512",
            "PS256",
            "PS384",
            "PS512",
            "ES256",
            "ES384",
            "ES512",
            "EdDSA",
            "Ed25519",
        ]
    ] = Field(["RS256", "PS256", "ES256", "EdDSA"], description="Signatures that are taken.", min_length=1)
    claim: str = Field(
        "email", description="What in the token is the account's name or address.", min_length=1
    )
    scope: str = Field("", description="What a token must allow (several: with blanks between).")
    configuration: WebAddress | None = Field(
        None, description="The issuer's openid-configuration, told to clients whose token is refused."
    )
    _client_secret: str = PrivateAttr("")

    @property
    def client_secret(self) -> str:
        """What stands in `client_secret_file`; "" until somebody has read it (`with_secret`)."""
        return self._client_secret

    def with_secret(self, client_secret: str) -> "OAuthSection":
        """Return the section with what was read; it shows up in no representation."""
        section = self.model_copy()
        section._client_secret = client_secret  # noqa: SLF001 - a copy of our own
        return section

    @model_validator(mode="after")
    def _one_way(self) -> "OAuthSection":
        if (self.jwks is None) == (self.introspection is None):
            raise ValueError(told("name either jwks or introspection: how tokens are checked"))
        if self.jwks is not None and "://" in self.jwks:
            _web_address(self.jwks)
        return self
