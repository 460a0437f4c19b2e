"""Studies: their folders, what is finished in them, and how their runs are made and compared."""
