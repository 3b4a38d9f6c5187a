"""Sampling: solvers as plain functions, atom counts, and the runner that makes chunks of molecules reproducibly."""
