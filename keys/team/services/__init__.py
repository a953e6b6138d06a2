"""Operations on people that revoke or hand over credentials, by the rules of ``keys.services``."""
