"""One fuzz target per parser.  `targets` says what must hold; `__main__` looks for what breaks it; the tests replay."""
