"""Where alerts go, a sink each."""
