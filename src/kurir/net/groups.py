"""Which groups a server agrees keys in (RFC 8446 section 4.2.7): those of Mozilla's intermediate profile, best first.

Python can name them from 3.15 on; before, its `ssl` only takes a single curve, which would shut out clients that know
another one.  There the same is asked of OpenSSL itself, by the pointer that CPython keeps first in the object.
"""

import ctypes
import ssl
import sys

_HYBRID = "X25519MLKEM768:" if ssl.OPENSSL_VERSION_INFO >= (3, 5) else ""  # safe from quantum computers too
GROUPS = f"{_HYBRID}X25519:P-256:P-384"
_SET_GROUPS_LIST = 92  # SSL_CTRL_SET_GROUPS_LIST of openssl/ssl.h


def limit_groups(context: ssl.SSLContext) -> bool:
    """Offer no other groups; False where this Python gives no way, and OpenSSL's own choice stays."""
    choose = getattr(context, "set_groups", None)
    if choose is not None:
        choose(GROUPS)
        return True
    module = getattr(sys.modules.get("_ssl"), "__file__", None)
    if sys.implementation.name != "cpython" or module is None:
        return False
    try:
        control = ctypes.CDLL(module).SSL_CTX_ctrl
    except (OSError, AttributeError):  # built in, or its symbols hidden
        return False
    control.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_char_p)
    control.restype = ctypes.c_long
    pointer = ctypes.c_void_p.from_address(id(context) + object.__basicsize__)
    return bool(control(pointer, _SET_GROUPS_LIST, 0, GROUPS.encode()) == 1)
