"""Trained networks for others: a folder for the Hugging Face hub, an ONNX file."""
