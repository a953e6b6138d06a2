"""Storage of static files in production: hashed names, and a gzipped copy of each file."""

from typing import Any

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedGzippedStorage(CompressedManifestStaticFilesStorage):
    """Whitenoise's storage without Brotli.

    The font tools install the Brotli package, and compressing with it would take most of a minute.
    """

    def create_compressor(self, **kwargs: Any) -> Any:
        """Return a compressor that only makes gzip."""
        return super().create_compressor(use_brotli=False, **kwargs)
