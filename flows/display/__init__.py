"""What people see: tables in a terminal, pages in Prefect."""
