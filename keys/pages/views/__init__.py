"""The views of the pages about keys. A view reads the request, calls a service or a query, and renders a template."""
