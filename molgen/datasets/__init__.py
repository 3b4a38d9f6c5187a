"""Data sets: sources, packed storage, finding them by name, batching by size."""
