"""The nouns of the gateway. Standard library only; frozen, except `Exchange`."""
