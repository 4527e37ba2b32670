"""What changed between two sets of logs, and what of it can be believed."""
