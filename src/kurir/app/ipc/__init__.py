"""Between the brain and the other roles.

`channel` carries msgpack frames over a unix socket, `wire` names what goes over it, `link` is a role's end (made
again when the brain was), `reporting` sends its figures; `doors` stand in for all that within one process.
"""
