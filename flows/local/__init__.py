"""The clone, its worktrees, its DVC, and the processes on this machine."""
