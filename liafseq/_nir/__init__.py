"""What is behind ``liafseq.nir``."""
