"""A key pair of each algorithm, made once per process: a new RSA key costs more than most tests."""

from oauth.protocol import jwk

PAIRS = {algorithm: jwk.generate(algorithm) for algorithm in jwk.ALGORITHMS}
