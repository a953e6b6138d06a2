"""The forms of the key pages: texts in, the values that services take out. What a value may be, services say."""
