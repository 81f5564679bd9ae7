"""What runs in the image of Dockerfile.j2: its start, its health check, and one step of its build."""
