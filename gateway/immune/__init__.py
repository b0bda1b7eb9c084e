"""What an agent's vitals say about it: learned from its own past, decided as plain data, without reading any clock."""
