"""The local target: PM2 workers on Unix sockets behind a small TCP front, all under `.chatops/`."""
