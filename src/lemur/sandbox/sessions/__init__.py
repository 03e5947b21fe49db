"""Python sessions for language agents: IPython in the sandbox, whose variables last from cell to cell."""
