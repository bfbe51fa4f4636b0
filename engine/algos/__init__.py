"""Execution algorithms: one approved signal, worked in many small ones. Examples to copy, built on public names alone.

An algorithm takes a *parent*, a limit signal that is never sent itself: its ``limit_price`` is the worst price that may
be paid, its ``order_qty`` the most that may trade. What is sent are *children*: signals of their own, each with the
parent's stop and target, so that every lot is protected from its first fill as any other. Their ids follow from the
parent's id alone, so the next process finds them in the journal and never sends one twice::

    async with engine.open_engine(settings, venue) as running:
        parent = algos.Parent.read(line)
        result = await algos.Twap(algos.EngineHands(running), parent, algos.TwapTerms(slices=6, over_s=600)).run()

``Chase`` follows the best price with one entry, ``Twap`` spreads slices over time, ``Iceberg`` shows a part at a time.
"""

from engine.algos.chase import Chase, ChaseMachine, ChaseTerms
from engine.algos.door import DoorHands
from engine.algos.hands import Hands
from engine.algos.iceberg import Iceberg, IcebergMachine, IcebergTerms
from engine.algos.inside import EngineHands
from engine.algos.parent import Parent, ParentFault
from engine.algos.result import AlgoResult, ChildResult
from engine.algos.stage import Budget
from engine.algos.twap import Twap, TwapMachine, TwapTerms

__all__ = [
    "AlgoResult",
    "Budget",
    "Chase",
    "ChaseMachine",
    "ChaseTerms",
    "ChildResult",
    "DoorHands",
    "EngineHands",
    "Hands",
    "Iceberg",
    "IcebergMachine",
    "IcebergTerms",
    "Parent",
    "ParentFault",
    "Twap",
    "TwapMachine",
    "TwapTerms",
]
