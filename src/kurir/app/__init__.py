"""The composition root: the one place that knows every room and wires them together.

``serve`` binds the sockets, drops privileges and hands the roles to ``supervisor``, which forks them and restarts
what falls.  Each role is a ``part`` in an event loop of its own, built from the configuration (``settings``
translates it room by room): ``brain`` (the queue), ``reception``, ``delivery``, ``controlpart``.  They talk over
``channel`` (msgpack frames on a unix socket; ``link`` on their side, ``seat`` on the brain's); with ``workers = 0``
all of them live in one process and call each other through ``doors``.  Operators come in by ``control`` and end
in the table of ``operations``; what only reads (``reading``) needs no server.
"""
