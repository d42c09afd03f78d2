"""What waits, and until when.

A message is a `state.Mail` with an `Errand` for each recipient; the `book` knows them all.  Who waits for a time stands on
the `wheel`, in `steady` time that does not jump; `retry` says when the next try is.
"""
