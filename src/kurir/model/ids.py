"""Queue ids: the dense accept number of a message, written so that people can say and copy it.

The alphabet has no vowels and no look-alikes, so that an id spells no word; the leading ``k``
makes it easy to find in a log.  The last character is a check digit: one wrong or two swapped
characters are noticed, so that nobody is told "no such message" for a typing mistake.
"""

_ALPHABET = "0123456789bcdfghjkmnpqrstvwxz"  # 29 is prime: the check digit catches swaps
_BASE = len(_ALPHABET)
_VALUE = {c: i for i, c in enumerate(_ALPHABET)}
_DIGITS = 6


def _check(digits: str) -> str:
    return _ALPHABET[sum((i + 1) * _VALUE[c] for i, c in enumerate(reversed(digits))) % _BASE]


def encode_id(number: int) -> str:
    """Return the public id of accept number `number` (>= 0): ``encode_id(1) == "k0000011"``."""
    digits = ""
    n, check, weight = number, 0, 0
    while n:
        n, r = divmod(n, _BASE)
        digits = _ALPHABET[r] + digits
        weight += 1
        check += weight * r  # as in `_check`
    return f"k{digits:0>{_DIGITS}}{_ALPHABET[check % _BASE]}"


def decode_id(text: str) -> int | None:
    """Return the accept number that `text` names, or None where it is no queue id (or a misspelt one)."""
    t = text.strip().lower()
    if len(t) < _DIGITS + 2 or t[0] != "k" or any(c not in _VALUE for c in t[1:]):
        return None
    digits, check = t[1:-1], t[-1]
    if _check(digits) != check:
        return None
    number = 0
    for c in digits:
        number = number * _BASE + _VALUE[c]
    return number
