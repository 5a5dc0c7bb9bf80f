"""A recount of logs, apart from the streaming code: what slabs and store are held against.

Only three things are shared with the workers: the judge, which is the contract of a record; the
gate, which is the rule of what jumps in time are believed; and the numbering of bins. Reading,
lateness, sums and series are written anew here, and simply.
"""
