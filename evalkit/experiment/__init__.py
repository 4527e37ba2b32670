"""Online experiments over logs: what to measure, reading it through DuckDB, the analysis, planning one."""
