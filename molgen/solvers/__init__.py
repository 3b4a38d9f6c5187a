"""Solvers: from noise to data along a grid of times, as plain functions."""
