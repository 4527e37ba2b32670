"""Records from files, streams and data frames, as batches of columns."""
