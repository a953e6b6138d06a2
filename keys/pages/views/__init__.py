"""The pages about keys, one module a noun. A view reads the request, asks a service or a query, picks a template."""
