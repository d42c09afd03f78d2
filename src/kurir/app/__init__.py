"""The composition root: the one place that knows every room and wires them together.

``supervisor`` binds the sockets, drops privileges, forks the roles and restarts what falls.  Each role is
built by ``wiring`` from the configuration and lives in one event loop: ``brain`` (the queue), ``reception``,
``delivery``, ``control``.  They talk over ``channel`` (msgpack frames on a unix socket); with ``workers = 0`` all
of them live in one process and call each other directly.
"""
