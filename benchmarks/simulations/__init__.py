"""Simulations of what the statistics promise: a family is a module here, and `run_simulations.py` runs all of them."""
