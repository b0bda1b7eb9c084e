"""Duties that run beside the requests."""
