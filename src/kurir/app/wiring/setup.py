"""Making a server: the folder of ``kurir init``, and the trial of a configuration before it is used."""

import contextlib
import os
import shutil
import time
from pathlib import Path

from kurir.app.keys.dkim import KeyDesk
from kurir.app.process import privileges
from kurir.app.process.clock import SystemClock
from kurir.config import Config, ConfigError, Mistake, load, render
from kurir.config.template import Choices, ports
from kurir.delivery import SmarthostUrlError, parse_next_hop
from kurir.model.told import of_error, told
from kurir.net import CertificateError, ServerTls, ServerTlsSettings, authorities, parse_bind
from kurir.net.devca import ensure_ca, ensure_leaf
from kurir.storage import CertificateFolder, KeyFolder

from . import settings
from .secrets import with_secrets


class SetupError(Exception):
    """The server could not be made; the text says why and what to do."""


def make(folder: Path, choices: Choices) -> Path:
    """Write ``kurir.toml``, keys and folders below `folder`; return the path of the file.

    An empty existing folder is fine, any other is refused.  What was made is removed when a step fails.
    Raises `SetupError`.
    """
    folder = folder.absolute()
    existed = folder.exists()
    if existed and (not folder.is_dir() or any(folder.iterdir())):
        raise SetupError(
            told("{folder} is not empty; name a new folder, or remove what is in it", folder=folder)
        )
    _examine(choices)
    too_long = _too_long(folder)
    if too_long:
        raise SetupError(too_long)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        file = folder / "kurir.toml"
        _write(file, render(choices), 0o640)
        config = load(file, {})
        certificates(config)
        KeyDesk(KeyFolder(settings.layout(config)), settings.keys(config), SystemClock()).prepare()
        for name in ("mail", "run"):
            (folder / name).mkdir(mode=0o750)
        if choices.user and os.geteuid() == 0:
            privileges.give(folder, choices.user)
    except (OSError, ValueError, ConfigError, privileges.PrivilegeError) as e:
        _undo(folder, keep=existed)
        raise SetupError(told("nothing was made: {why}", why=e)) from None
    return file


def _examine(choices: Choices) -> None:
    try:
        ports(choices.port_offset)
        if choices.smarthost:
            parse_next_hop(choices.smarthost)
        if choices.user:
            privileges.lookup(choices.user)
    except SmarthostUrlError as e:
        raise SetupError(told("--smarthost: {why}", why=e)) from None
    except (ValueError, privileges.PrivilegeError) as e:
        raise SetupError(of_error(e)) from None


def _write(path: Path, text: str, mode: int) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as f:
        f.write(text)


def _undo(folder: Path, *, keep: bool) -> None:
    with contextlib.suppress(OSError):
        for entry in folder.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink()
        if not keep:
            folder.rmdir()


def certificates(config: Config) -> None:
    """Make or renew the certificate of our own authority, where no other one is configured, or had yet."""
    if config.tls.certificate is None and not _from_authority(config):
        folder = config.server.state / "tls"
        names = [config.server.hostname, *(d for d in config.domains if d != config.server.hostname)]
        ensure_leaf(ensure_ca(folder, now=time.time()), folder, names, now=time.time())


def _from_authority(config: Config) -> bool:
    """Whether an authority's certificate is there; until then one of our own is shown, with the key that stays."""
    if config.tls.acme is None:
        return False
    folder = CertificateFolder(settings.layout(config))
    folder.mend()
    facts, key = folder.facts(), folder.key()
    whole = facts is not None and key is not None and facts.association == key.association
    return facts is not None and whole and not facts.self_made


# Of a unix socket's path: 108 with the end mark (unix(7)).
MAX_SOCKET_PATH = 107


def _too_long(state: Path) -> str | None:
    """Say why the sockets of a state folder could not be made, where its path is too long for them."""
    longest = max((state / name for name in settings.SOCKETS), key=lambda path: len(os.fsencode(path)))
    over = len(os.fsencode(longest)) - MAX_SOCKET_PATH
    if over <= 0:
        return None
    return told(
        "the path of the folder {state} is {over} bytes too long: the server's sockets lie in it ({longest}), and the "
        "path of a unix socket has at most {limit} bytes; choose a folder with a shorter path",
        state=state,
        over=over,
        longest=longest,
        limit=MAX_SOCKET_PATH,
    )


def examined(path: Path) -> Config:
    """Load a configuration with its secrets, and try it.

    Raises `ConfigError` with the mistakes of the text and of the files it names.
    """
    try:
        config = load(path)
    except ConfigError as e:
        known = {m.where for m in e.mistakes}
        more = trial(e.rest) if e.rest is not None else []
        raise ConfigError(e.source, [*e.mistakes, *(m for m in more if m.where not in known)]) from None
    mistakes = trial(config)
    if mistakes:
        raise ConfigError(str(path), mistakes, config, only_files=True)
    return with_secrets(config)[0]


def trial(config: Config) -> list[Mistake]:
    """Return what is wrong with a configuration beyond its shape: files, keys, users.  Nothing is changed."""
    mistakes = []
    too_long = _too_long(config.server.state)
    if too_long:
        mistakes.append(Mistake("server.state", too_long))
    for name, specs in config.listen:
        for i, spec in enumerate(specs):
            try:
                parse_bind(spec)
            except ValueError as e:
                mistakes.append(Mistake(f"listen.{name}.{i}", of_error(e)))
    mistakes += _certificate_mistakes(config)
    if config.net.ca_file and not os.access(config.net.ca_file, os.R_OK):
        mistakes.append(Mistake("net.ca_file", told("{ca_file} cannot be read", ca_file=config.net.ca_file)))
    mistakes += with_secrets(config)[1]
    hook = config.tls.acme.hook if config.tls.acme else None
    if hook is not None and not os.access(hook, os.X_OK):
        mistakes.append(Mistake("tls.acme.hook", told("{file} is no program that may be run", file=hook)))
    jwks = config.oauth.jwks if config.oauth else None
    if jwks and "://" not in jwks and not os.access(jwks, os.R_OK):
        mistakes.append(Mistake("oauth.jwks", told("{file} cannot be read", file=jwks)))
    if config.server.user:
        try:
            privileges.lookup(config.server.user)
        except privileges.PrivilegeError as e:
            mistakes.append(Mistake("server.user", of_error(e)))
    return mistakes


def _certificate_mistakes(config: Config) -> list[Mistake]:
    mistakes = []
    shown = settings.server_tls(config).certificates
    keys = ["tls.certificate", *(f"tls.certificates.{i}" for i in range(len(config.tls.certificates)))]
    for key, files in zip(keys, shown, strict=True):
        if key == "tls.certificate" and config.tls.certificate is None:
            continue  # our own, made at the start
        try:
            ServerTls(ServerTlsSettings((files,)))
        except CertificateError as e:
            mistakes.append(Mistake(key, of_error(e)))
    if config.submission.client_ca:
        try:
            authorities(config.submission.client_ca)
        except OSError as e:
            why = told("{path} cannot be read: {why}", path=config.submission.client_ca, why=e.strerror or e)
            mistakes.append(Mistake("submission.client_ca", why))
        except ValueError as e:
            mistakes.append(
                Mistake("submission.client_ca", told("holds no certificate in PEM form: {why}", why=e))
            )
    return mistakes
