"""The server: HTTP doors, services, database, key store, jobs, statistics and console."""
