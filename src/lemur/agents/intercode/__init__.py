"""InterCode: agents that write SQL or Bash, or look for flags (Yang et al. 2023; paper, Table 5)."""
