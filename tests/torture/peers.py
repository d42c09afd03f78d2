"""placeholder"""
PEERS = {"postfix": None}
def missing(name): return "x"
def make(*a): raise NotImplementedError
