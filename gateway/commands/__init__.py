"""Commands that ask a running gateway, one noun a file. They know its admin API, and nothing of its inside."""
