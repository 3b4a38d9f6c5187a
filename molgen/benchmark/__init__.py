"""How fast a model samples and trains on this machine, and what part of the machine's arithmetic it uses."""
