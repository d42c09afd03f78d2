"""Is this sender genuine, and is this really us?  The rooms of sender authentication."""
