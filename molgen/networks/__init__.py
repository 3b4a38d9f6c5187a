"""Denoiser networks: tensors in, tensors out."""
