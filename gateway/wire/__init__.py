"""Bytes to meaning and back, without I/O: what interprets bytes here never reads a socket, a clock or a setting."""
