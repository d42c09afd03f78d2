"""What a process remembers of others, each a store behind a thread whose troubles stop no mail.

`lessons` are limits learnt from replies, `allowances` shows them beside what is used, `suppressing` keeps the list of
dead addresses, `tlsdesk` the protection that was proven.
"""
