"""The protocol by which no copy lets a credential through that was refused."""
