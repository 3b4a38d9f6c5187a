"""Training: the one LightningModule, its callbacks and the function that runs it."""
