"""What lies on disk: whole files, locks, checkpoints, the cache, and unpacked archives."""
