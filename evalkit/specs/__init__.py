"""YAML in, validated objects out, every error with its file and line."""
