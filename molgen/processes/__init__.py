"""Noise processes, one per field: how a field is destroyed and rebuilt. Tensors only, no chemistry."""
