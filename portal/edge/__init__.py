"""HTTP as machines speak it: what stands before every endpoint, and what all endpoints share."""
