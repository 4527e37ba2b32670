"""Suite to rows to values to gates."""
