"""What a document may demand of a value, compiled to closures; the vocabulary is closed."""
