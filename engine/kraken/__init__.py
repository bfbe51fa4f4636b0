"""Kraken spot as a venue. Pure: signing, nonce, symbols, encode, decode, session, sequence, limits, errors."""
