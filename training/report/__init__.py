"""What training tells a person: in the terminal, as a picture, and as a page."""
