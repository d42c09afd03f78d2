"""Messages as bytes: looked at, completed, converted, composed; never parsed into objects and written back.

Coming in: `facts_of` reads what queue and trace need; `scan` finds the fields and what is wrong with them;
`parse_mailboxes` reads From and its like; `prepare` says what a submission lacks; `received_field` and its
siblings are put in front; `loop_reason` sees a circle.
"""
