"""Whether an answer that a model proposed solves an item of MINT, by two rules.

`paper` is what MINT's code computed when the published trajectories were made, faults included; `strict` mends them.
Pure functions of item and answer, except for programs, which run in the sandbox (docs/agents.md, Scoring).
"""
