"""The cache protocol: no cached copy allows a credential after its refusal was acknowledged."""
