"""Kurir: an SMTP server that takes the blame away from SMTP.

One message is a straight line through the rooms of this package (◆ = safe on disk)::

    net -> reception (drives smtp.Server) -> queue.accept ◆ "250"
        -> queue leases ◆ -> delivery (drives smtp.Client over net) -> queue.settle ◆
        -> trace -> cli, web, DSN

Upper rooms import lower ones, never the other way; ``pyproject.toml`` holds the rule and
``scripts/check`` checks it.  Where to start reading: ``kurir.model`` (the words),
``kurir.smtp`` (the protocol), ``kurir.queue`` (what is promised), ``kurir.app`` (how it is wired).
"""

__version__ = "0.1.0"
