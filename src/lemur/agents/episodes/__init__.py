"""Episodes of any agent: environments, trajectories, play, records, results."""
