"""The forms of the key pages: they turn texts into values for services. Services decide which values are allowed."""
