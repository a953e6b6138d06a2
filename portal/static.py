"""How static files are stored in production: names that carry a hash, and a gzipped copy beside each."""

from typing import Any

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedGzippedStorage(CompressedManifestStaticFilesStorage):
    """Whitenoise's, without Brotli: font subsetting brings that package in, and it would take most of a minute."""

    def create_compressor(self, **kwargs: Any) -> Any:
        """A compressor that makes gzip alone."""
        return super().create_compressor(use_brotli=False, **kwargs)
