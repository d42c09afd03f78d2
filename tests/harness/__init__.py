"""What integration and interop tests share: a real Kurir in a folder, a recording sink, scripted peers."""

from .kurir import Kurir, free_offset
from .sink import Received, Sink

__all__ = ["Kurir", "Received", "Sink", "free_offset"]
