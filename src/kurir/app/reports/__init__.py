"""Reports about mail, out and in, and what is told each morning.

`dmarcreports` and `tlsreports` send yesterday's (`yesterday`: when each is due) from what `seencounts` and the hands
counted; `reportsin` reads those of others where they arrive; `mornings` writes the summaries that accounts asked for.
"""
