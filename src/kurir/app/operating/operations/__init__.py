"""What an operator can ask of the running server (or do to a stopped one): one table of verbs.

Each verb returns plain data for ``--json``; `Wrong` says in words why it could not be done.
`table` calls them; `traffic`, `accounts`, `addresses` and `protection` have them.
"""

from .table import Operations
from .verbs import Wrong

__all__ = ["Operations", "Wrong"]
