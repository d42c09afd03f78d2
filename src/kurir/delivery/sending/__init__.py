"""Mail over sessions: a `pool` for each site with `lane`s of one connection each, under a `ceiling` that sites may share.

`attempt` sends one message: `fit` asks whether message and peer match, `sealing` signs, `payload` gives the octets.
`learning` hears of limits that the peer has.
"""
