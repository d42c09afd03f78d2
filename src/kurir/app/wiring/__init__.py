"""From the configuration to what the rooms take.

`secrets` reads the secret files into the configuration in memory, `settings` translates it room by room (pure),
`roads` makes the routes of the way out, `website` what the public web serves; `setup` makes a server's folder and
tries a configuration before it is used.
"""
