"""Text processing: responses of language models to plain text, and segmentation of live text."""
