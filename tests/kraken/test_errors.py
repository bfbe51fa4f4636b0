"""The outcome table against the catalogue that was written from the protocol document."""

import json
from pathlib import Path

import pytest

from engine.errors import OutcomeUnknown, VenueRefused
from engine.kraken import errors
from engine.kraken.rest import Reply
from engine.kraken.rest_orders import judge
from engine.orders.reports import Outcome

ROWS = json.loads((Path(__file__).parent.parent / "fixtures/kraken/error_catalogue.json").read_text())["rows"]
TEXTS = [row for row in ROWS if "text" in row]
CERTAIN_NO = {"NO", "NO by design", "NO resting order", "request dropped"}
KINDS = ("new", "amend", "cancel")


def expected(row, kind) -> Outcome:
    """What the document's words mean for an order-bearing request; what is not a certain no is unknown."""
    if row["outcome"] == "YES":
        return Outcome.ACCEPTED
    about_existing = row["outcome"] == "cancel NOT done" or row["about"] == "existing"
    if row["outcome"] in CERTAIN_NO or (about_existing and kind != "new"):
        return Outcome.REFUSED
    return Outcome.UNKNOWN


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("row", TEXTS, ids=[row["text"] for row in TEXTS])
def test_every_catalogued_text_has_its_outcome(row, kind):
    """Each string of the document is in the table, with the outcome the document gives it."""
    verdict = errors.of_errors(kind, [row["text"]])
    assert verdict.outcome is expected(row, kind)
    assert verdict.code != errors.UNLISTED


def test_table_lists_nothing_the_catalogue_lacks():
    """Every row of the table is met by some string of the document."""
    met = {rule.prefix for row in TEXTS if (rule := errors.rule_of(row["text"])) is not None}
    assert met == {rule.prefix for rule in errors.RULES}


@pytest.mark.parametrize("row", [r for r in ROWS if r["about"] == "http"], ids=lambda r: str(r.get("status")))
@pytest.mark.parametrize("kind", KINDS)
def test_no_http_trouble_is_ever_a_refusal(row, kind):
    """Edge statuses, 429 included, and bodies that are no JSON leave the order unknown."""
    verdict, order_id = judge(kind, Reply(sent=True, status=row["status"]))
    assert verdict.outcome is Outcome.UNKNOWN
    assert order_id is None


@pytest.mark.parametrize("row", [r for r in ROWS if r["about"] == "transport"], ids=lambda r: r["failure"])
def test_transport_failures_split_on_the_first_byte(row):
    """Before the first byte: not sent. After it: unknown."""
    sent = row["outcome"] == "?"
    for timed_out in (False, True):
        verdict, _ = judge("new", Reply(sent=sent, timed_out=timed_out))
        assert verdict.outcome is (Outcome.UNKNOWN if sent else Outcome.NOT_SENT)


@pytest.mark.parametrize(
    "text",
    ["EOrder:Something new", "EOrder", "", "EOrder:Insufficient fundsX", "eorder:insufficient funds", "EService:Gone",
     "EOrder:Unknown order type"],
)  # fmt: skip
def test_unlisted_text_is_unknown_never_a_refusal(text):
    """Whatever the table does not know proves nothing."""
    assert errors.of_errors("new", [text]) == (Outcome.UNKNOWN, errors.UNLISTED)


def test_one_doubtful_error_outweighs_certain_ones():
    """Several strings in one answer: unknown if any is; warnings do not count."""
    both = ["EOrder:Insufficient funds", "EService:Busy"]
    assert errors.of_errors("new", both).outcome is Outcome.UNKNOWN
    assert errors.of_errors("new", ["WDatabase:No change", "EOrder:Insufficient funds"]).code == "INSUFFICIENT_FUNDS"


def test_rest_yes_counts_only_with_its_proof():
    """An empty success is unknown, a refusal beside an order id is unknown, a cancel of nothing is unknown."""
    yes = Reply(sent=True, answered=True, status=200, result=b'{"txid":["O1"]}')
    assert judge("new", yes) == ((Outcome.ACCEPTED, ""), "O1")
    assert judge("new", yes._replace(result=b"{}"))[0].outcome is Outcome.UNKNOWN
    assert judge("new", yes._replace(errors=("EOrder:Insufficient funds",)))[0].outcome is Outcome.UNKNOWN
    refused = yes._replace(errors=("EOrder:Insufficient funds",), result=b"")
    assert judge("new", refused)[0] == (Outcome.REFUSED, "INSUFFICIENT_FUNDS")
    assert judge("cancel", yes._replace(result=b'{"count":1}'))[0].outcome is Outcome.ACCEPTED
    assert judge("cancel", yes._replace(result=b'{"count":0}'))[0].outcome is Outcome.UNKNOWN
    assert judge("amend", yes._replace(result=b'{"amend_id":"T1"}'))[0].outcome is Outcome.ACCEPTED


def test_queries_split_into_no_and_no_answer():
    """A definite error of a query is a refusal; a busy service has told us nothing."""
    assert isinstance(errors.query_error(["EGeneral:Permission denied"]), VenueRefused)
    assert isinstance(errors.query_error(["EService:Unavailable"]), OutcomeUnknown)
