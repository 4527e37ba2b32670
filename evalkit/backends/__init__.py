"""Where model replies come from."""
