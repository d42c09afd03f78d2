"""Secrets that stand in files of their own: read in this one place, where the configuration is taken into use.

They travel on with the configuration in memory.  What is made of it afterwards (`settings`) opens no file, and no
role has to be able to read them again: neither after root was given up, nor when it is started anew.
"""

from pathlib import Path

from kurir.config import Config, Mistake
from kurir.config.road_schema import RoadSection
from kurir.config.tls_schema import AcmeSection
from kurir.model.told import of_error, told

MAX_SECRET = 4096  # octets; a larger file is no password


def with_secrets(config: Config) -> tuple[Config, list[Mistake]]:
    """Return the configuration with its secrets read, and what is wrong with their files."""
    mistakes: list[Mistake] = []
    roads = [
        _with_tokens(i, _with_password(i, road, mistakes), mistakes) for i, road in enumerate(config.roads)
    ]
    oauth = config.oauth
    if oauth is not None:
        oauth = oauth.with_secret(_optional("oauth.client_secret_file", oauth.client_secret_file, mistakes))
    tls = config.tls.model_copy(update={"acme": _with_binding(config.tls.acme, mistakes)})
    return config.model_copy(update={"roads": roads, "oauth": oauth, "tls": tls}), mistakes


def _with_password(index: int, road: RoadSection, mistakes: list[Mistake]) -> RoadSection:
    file = road.password_file
    if file is None:
        return road
    password, problem = _read(file)
    if problem:
        mistakes.append(Mistake(f"roads.{index}.password_file", problem))
    if not road.username:
        mistakes.append(Mistake(f"roads.{index}.username", told("is missing, but there is a password_file")))
    return road.with_password(password)


def _with_tokens(index: int, road: RoadSection, mistakes: list[Mistake]) -> RoadSection:
    oauth = road.oauth
    if oauth is None:
        return road
    place = f"roads.{index}.oauth"
    if not road.username:
        mistakes.append(Mistake(f"roads.{index}.username", told("is missing, but there is an oauth login")))
    secret = _optional(f"{place}.client_secret_file", oauth.client_secret_file, mistakes)
    token = _optional(f"{place}.refresh_token_file", oauth.refresh_token_file, mistakes)
    # `model_copy` keeps the password that was read.
    return road.model_copy(update={"oauth": oauth.with_secrets(secret, token)})


def _with_binding(acme: AcmeSection | None, mistakes: list[Mistake]) -> AcmeSection | None:
    if acme is None or acme.eab_key_file is None:
        return acme
    place = "tls.acme.eab_key_file"
    try:
        return acme.with_secret(_optional(place, acme.eab_key_file, mistakes))
    except ValueError as e:
        mistakes.append(Mistake(place, of_error(e)))
        return acme


def _optional(where: str, file: Path | None, mistakes: list[Mistake]) -> str:
    """Return the secret in a file that may be named; what is wrong with it joins `mistakes`."""
    if file is None:
        return ""
    secret, problem = _read(file)
    if problem:
        mistakes.append(Mistake(where, problem))
    return secret


def _read(file: Path) -> tuple[str, str]:
    """Return the secret in a file, and what is wrong with it ("" where nothing is): file, cause, next step."""
    try:
        with file.open("rb") as f:
            secret = f.read(MAX_SECRET + 1).decode().strip()
    except UnicodeDecodeError:
        return "", told("{file} is not UTF-8 text; write the password alone into it", file=file)
    except OSError as e:
        return "", told(
            "{file} cannot be read: {why}; correct the path, or give the file to the server's user (chown, chmod 600)",
            file=file,
            why=e.strerror or e,
        )
    if not secret:
        return "", told("{file} is empty; write the password into it", file=file)
    if len(secret) > MAX_SECRET or "\n" in secret or "\0" in secret:
        return "", told("{file} holds more than one line; write the password alone into it", file=file)
    return secret, ""
