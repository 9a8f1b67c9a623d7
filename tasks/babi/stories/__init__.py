"""Stories with questions: their format, official names and sources, and what is counted in them."""
