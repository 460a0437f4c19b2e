"""Every parameter, checked before anything runs."""
