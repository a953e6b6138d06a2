"""The pages about OAuth clients: queries, forms, presenters and views."""
