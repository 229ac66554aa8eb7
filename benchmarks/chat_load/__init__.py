"""The sample chat under load, beside a plain loop of `ws` and Socket.IO that do the same fan-out."""
