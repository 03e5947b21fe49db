"""Recorded trajectories, MINT's published ones and this project's: read, scored again, and tabulated."""
