"""Open files: a usual shell's limit is raised as far as it may be, and what stays too low is said."""

import subprocess
import sys

import pytest

_TRY = """
import os, resource
from kurir.app.process.descriptors import make_room
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
if os.getuid() == 0:
    os.setuid(65534)
print(make_room({sessions}), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize(
    ("soft", "hard", "sessions", "said"),
    [
        (256, 6000, 4000, "None 5000"),
        (6000, 6000, 4000, "None 6000"),
        (256, 4000, 4000, "None 4000"),
        (256, 3000, 4000, "3000 3000"),
    ],
)
def test_room_for_sessions(soft: int, hard: int, sessions: int, said: str) -> None:
    """In a process of its own, without root's right to go above the hard limit."""
    program = _TRY.format(soft=soft, hard=hard, sessions=sessions)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == said
