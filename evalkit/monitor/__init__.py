"""Windows of logs on a schedule: each processed once, incidents, alerts."""
