"""MINT's tool `wikipedia_search` without a network: recorded queries, then pages on this machine (docs/agents.md)."""
