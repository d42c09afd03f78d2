"""Mail comes in: `intake` asks whether there is room and what a message changes, `commit` makes it durable.

Everything that is pending when a sync ends is in the next one.  `restore` reads back after a start what was taken before.
"""
