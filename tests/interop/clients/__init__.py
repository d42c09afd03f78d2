"""Other people's mail software as clients of a real Kurir, with TLS verified and AUTH on.

`letters` has the bodies, `post` the server with what arrived and what its trace tells, `programs` finds the
software, `relays` runs other mail servers that send to us.
"""
