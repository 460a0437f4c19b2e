"""The dual encoder over any transformers encoder, the built-in one, and how they are stored."""
