"""The local side of the flows: the clone, its worktrees, DVC, and the processes on this machine."""
