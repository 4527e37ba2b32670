"""The metrics, a file a family; each is looked up through the registry."""
