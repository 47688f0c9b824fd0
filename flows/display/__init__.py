"""What people see: tables in a terminal, artifacts on Prefect's page."""
