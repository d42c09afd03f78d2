"""How long a test waits for what must happen: one bound for all, so generous that only a failure reaches it.

A machine may be slow, or stand still for seconds.  So a test waits for a condition and never for a time, and what has
to be *soon* is compared with what would come *much later* if the code were wrong.
"""

PATIENCE = 120.0
"""Seconds.  Nobody waits that long for a test that passes."""

TRIES = 5
"""How often something that has to be quick may be measured: a machine with other work delays it now and then, a slow path
of ours each time."""
