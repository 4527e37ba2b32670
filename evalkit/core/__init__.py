"""Types, contracts and the registry: what every other room may import, and nothing above."""
