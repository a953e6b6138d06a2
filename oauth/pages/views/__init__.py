"""Views of the pages about OAuth clients. Parts shared with API keys come from ``keys.pages.views``."""
