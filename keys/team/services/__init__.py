"""Operations on people that end or hand over credentials, by the rules of ``keys.services``."""
