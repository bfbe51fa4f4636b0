"""A simulated Kraken spot exchange: a real server, REST and WebSocket v2, for any Kraken client.

``Exchange.serve`` answers one byte stream; it runs over loopback TCP and over the virtual wire alike.
"""

from engine.sim.errors import Refused
from engine.sim.exchange import Exchange
from engine.sim.fault_kinds import KINDS, Kind
from engine.sim.fault_names import FaultNames, names_of
from engine.sim.fault_plan import Fault, FaultPlan
from engine.sim.fault_reader import parse_faults, read_faults
from engine.sim.faults import (
    Action,
    Faults,
    FrameVerdict,
    NoFaults,
    Verdict,
    accept_late,
    answer_late,
    close_after,
    fail_then_accept,
    http_error,
    kill_after,
    kill_before,
    lie_with,
    lose_answer,
    lose_request,
    refuse_with,
    stall_after,
    stall_before,
    strange_answer,
)
from engine.sim.house import House, Quote
from engine.sim.identity import Identity, load_or_make_identity
from engine.sim.instruments import DEFAULT_ASSETS, DEFAULT_PAIRS, AssetSpec, PairSpec
from engine.sim.keys import PERMISSIONS, QUERY_PERMISSIONS, TRADING_PERMISSIONS
from engine.sim.listing import Listing, fetch_listing, listing_of
from engine.sim.orders import SimOrder, SimTrade
from engine.sim.recorder import Recorder
from engine.sim.recording import Header, NotARecording, Recording, open_recording, read_header
from engine.sim.script import Step, parse_script, read_script
from engine.sim.scripted_faults import ScriptedFaults
from engine.sim.settings import AccountTerms, KeySpec, LiveMarket, ReplayMarket, SimSettings, SyntheticMarket
from engine.sim.source import DEPTHS, KRAKEN_URL, Address, SourceLost, SourceRefused, address_of
from engine.sim.store import ExchangeStore, open_exchange_store
from engine.sim.tiers import TIERS, Tier, TierName
from engine.sim.truth import Truth

__all__ = [
    "Exchange",
    "SimSettings",
    "AssetSpec",
    "PairSpec",
    "DEFAULT_ASSETS",
    "DEFAULT_PAIRS",
    "SyntheticMarket",
    "Step",
    "parse_script",
    "read_script",
    "ReplayMarket",
    "LiveMarket",
    "Listing",
    "fetch_listing",
    "listing_of",
    "Recorder",
    "Recording",
    "Header",
    "NotARecording",
    "open_recording",
    "read_header",
    "Address",
    "address_of",
    "DEPTHS",
    "KRAKEN_URL",
    "SourceLost",
    "SourceRefused",
    "AccountTerms",
    "KeySpec",
    "PERMISSIONS",
    "QUERY_PERMISSIONS",
    "TRADING_PERMISSIONS",
    "TIERS",
    "Tier",
    "TierName",
    "ExchangeStore",
    "open_exchange_store",
    "Identity",
    "load_or_make_identity",
    "House",
    "Quote",
    "Truth",
    "SimOrder",
    "SimTrade",
    "Refused",
    "Faults",
    "NoFaults",
    "ScriptedFaults",
    "Fault",
    "FaultPlan",
    "FaultNames",
    "KINDS",
    "Kind",
    "names_of",
    "parse_faults",
    "read_faults",
    "Verdict",
    "FrameVerdict",
    "Action",
    "accept_late",
    "answer_late",
    "close_after",
    "fail_then_accept",
    "http_error",
    "kill_after",
    "kill_before",
    "lie_with",
    "lose_answer",
    "lose_request",
    "refuse_with",
    "stall_after",
    "stall_before",
    "strange_answer",
]
