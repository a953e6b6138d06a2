"""Date formats of the stock admin pages, by language; ``FORMAT_MODULE_PATH`` names this folder."""
