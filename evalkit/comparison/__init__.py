"""Comparison of finished runs: records aligned, differences tested, verdicts given."""
