"""Language agents: models that act in an environment over several turns (paper, Section 4; docs/agents.md)."""
