"""What tests work with: servers, people, models to compare with, and ways to read answers."""
