"""What a trained network is written as for others: a folder for the Hugging Face hub."""
