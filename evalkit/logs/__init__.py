"""Production logs: read as columns, cut into windows, ingested, sampled and exported."""
