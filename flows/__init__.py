"""What runs when: the Prefect flows, and the command `variants`. Importing it makes the tools quiet and local."""

from flows.local.project import settle_environment

settle_environment()
