"""Tests of the VPS target: its link over real sshd processes, and its hosts from the rig."""
