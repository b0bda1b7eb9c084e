"""What can deny a call, one guard a file; a document is compiled to those it needs."""
