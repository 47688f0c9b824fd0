"""What runs when: the command `variants`, the Prefect flows, and their rooms."""
