"""What people say of pairs: who looks at which, how far they agree, and what follows from it."""
