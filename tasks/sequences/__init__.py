"""What tasks on sequences share: reading, splitting, vocabularies, batches, a network, scores, pictures."""
