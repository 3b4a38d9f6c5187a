"""Distributions of structures beside those of a reference, with what the distances can resolve.

Per structure ``features`` gives values in fine bins; ``Sums`` adds them up in constant memory; ``compare`` sets the
sums beside a ``DistributionReference``. Every distance comes with its noise floor (structures of the reference's own
kind, as many as were scored) and a bad control (the same structures with noise of 0.1 angstrom on every coordinate).
"""
