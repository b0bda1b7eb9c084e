"""The operators' web page."""
