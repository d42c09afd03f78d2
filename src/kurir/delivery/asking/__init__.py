"""Questions beside the mail: does the next hop know a recipient (`verify`), can it be sealed (`foresight`), how well (`examine`)."""
