"""From plain values to the frozen clauses of a document. Nothing is guessed: what is not known is refused."""
