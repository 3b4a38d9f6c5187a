"""Geometry in plain torch."""
