"""The domain types that all other packages share. Standard library only; frozen, except `Exchange`."""
