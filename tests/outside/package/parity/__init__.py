"""A package that is not part of liafseq."""
