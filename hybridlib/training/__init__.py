"""Training: the loop, its loss, and what lets it use little memory and survive a kill."""
