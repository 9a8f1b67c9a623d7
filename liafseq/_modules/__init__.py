"""What the layers, cells and convolutions of the package share: torch's contracts, once."""
