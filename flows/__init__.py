"""What runs when: the command `variants`, the Prefect flows, and the rooms that these are made of."""
