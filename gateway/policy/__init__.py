"""Decides what may be done, and how much of it; never acts."""
