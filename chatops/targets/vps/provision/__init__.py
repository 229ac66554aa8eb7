"""What makes a bare host ready for the app: one topic a file, each a pure function to root's shell steps."""
