"""Operations on OAuth clients, tokens and signing keys. The rules of ``keys.services``, such as its order, apply."""
