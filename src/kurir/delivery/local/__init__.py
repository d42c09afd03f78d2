"""Mail for this machine: `storing` runs the attempt, `maildir` writes."""
