"""The real clock, as every room of the running server gets it passed in."""

import time


class SystemClock:
    """`kurir.model.Clock` over the operating system's clocks."""

    now = staticmethod(time.time)  # no frame of ours around them: they are asked twenty times a message
    monotonic = staticmethod(time.monotonic)
