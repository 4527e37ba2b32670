"""One view of a run, rendered for a terminal, a browser, a pull request or CI."""
