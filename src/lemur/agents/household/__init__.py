"""Households: text games of ALFWorld (Shridhar et al. 2021) as MINT plays them (Wang et al. 2023)."""
