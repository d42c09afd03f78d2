"""Messages nobody here wrote: read from the shared material, as (name, octets)."""

import tarfile

import pytest

from tests.shared import shared


def mails(archive: str, *endings: str) -> list[tuple[str, bytes]]:
    path = shared("data", *archive.split("/"))
    if path is None:
        pytest.skip(f"the shared material {archive} is absent")
    with tarfile.open(path) as tar:
        return [
            (member.name, tar.extractfile(member).read())
            for member in tar.getmembers()
            if member.isfile() and member.name.endswith(endings)
        ]


def all_mails() -> list[tuple[str, bytes]]:
    found = mails("mime/mail-parser-rfc-malformed.tar.xz", ".eml", ".txt")
    return found + mails("mime/mikel-mail-fixtures.tar.xz", ".eml")
