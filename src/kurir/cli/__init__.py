"""The command line: each command asks the running server (control socket) or reads its files, and says it in words.

``main`` holds the group and loads a command's module only when it is used; ``output`` prints tables and
colours on a terminal, plain text in a pipe, one JSON document with ``--json``; ``words/`` has every text in
English and Indonesian.
"""
