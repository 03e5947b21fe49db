"""MINT's protocol (Wang et al. 2023): thoughts, cells of Python and proposed solutions, in turns that are counted."""
