"""Batches: which question and which passage stand in each row."""
