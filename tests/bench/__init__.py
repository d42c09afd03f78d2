"""Kurir measured beside other mail servers on one machine; `scripts/bench` runs it.

`load` has the load tools and the meters, `peers` the servers with their configuration, `parts` what is measured,
`report` the table and the chart.  Servers are taken in turns: one machine drifts by a third within minutes, but what is
measured one after the other drifts together, so that the median of the ratios per round is the figure to trust.
"""
