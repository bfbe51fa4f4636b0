"""The book and its checksum, against Kraken's vectors."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from engine.market.book import Book

VECTORS = json.loads((Path(__file__).parent.parent / "fixtures/kraken/book_checksum.json").read_text())["vectors"]
print([ (v["name"], v["kind"], sorted(v)) for v in VECTORS])
