"""What the gate needs of the world: evidence, a served candidate, people who approve."""
