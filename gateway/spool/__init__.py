"""The audit record on disk: one chain a process, in segment files that only grow."""
