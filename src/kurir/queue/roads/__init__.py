"""Which of several roads a mail takes, and how they are.

An outcome says something of a road or of a mail (`trouble`); a road has a `breaker` for each site; the `roadbook` hears
outcomes and lets `choice` decide, and `roadmemory` keeps it over a restart.
"""
