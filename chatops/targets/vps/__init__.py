"""The VPS target: PM2 workers on Unix sockets behind nginx, on hosts reached over SSH."""
