"""InterCode: agents that write SQL, Bash or look for flags, and are told a reward (Yang et al. 2023; paper, Table 5)."""
