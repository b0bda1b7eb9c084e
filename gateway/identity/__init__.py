"""Who calls: what requests show, and what follows from it. Pure."""
