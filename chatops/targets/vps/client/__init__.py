"""The only door to the hosts: one SSH connection each, and what is done over it."""
