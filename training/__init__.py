"""Data in, checkpoint out, offline. Knows the network, not the service."""
