"""The verbs that ask or tell an engine, by where they stand: imported only when one is used."""

from __future__ import annotations

from typing import NamedTuple

from cyclopts import App, Group


class Verb(NamedTuple):
    """Where a verb's function stands, the first sentence of its docstring, and the example in it.

    Help is given here and not read from the function, or the list of all verbs would import them all.
    """

    place: str
    help: str
    example: str


GROUPS = {
    "Begin": ("demo", "run", "init", "doctor", "help", "errors", "completion"),
    "Signals": ("plan", "submit", "signal", "algo", "protect"),
    "Look": (
        *("status", "top", "brackets", "bracket", "orders", "order", "why", "reports", "positions", "balances", "pnl"),
        *("quality", "limits", "denials", "alarms", "links", "books", "report"),
    ),
    "Act": ("halt", "resume", "close", "cancel", "amend", "rearm", "resolve", "ack", "reload"),
    "After a crash": ("recover", "guardian", "journal"),
    "Simulate and draw": ("exchange", "chaos", "watch", "record", "diagram"),
}
"""Every verb once, in the order of the list that --help shows: what a new user needs first stands first."""

_PANELS = {title: Group(title, sort_key=number) for number, title in enumerate(GROUPS)}

VERBS = {
    "exchange": Verb(
        "engine.cli.exchange:exchange",
        "Run the simulated Kraken alone, REST and WebSocket v2 on one port, until Ctrl-C.\n\nSays where it listens and"
        " with which keys: in words on a terminal, else (and with --json) in one line of JSON.",
        "exchange --port 8791 --seed 7 --faults faults.toml",
    ),
    "record": Verb(
        "engine.cli.record:record",
        "Write the public books and trades of some markets into a file that exchange --market replay:FILE plays.",
        "record --out btc.jsonl --symbol BTC/USD --for 3600",
    ),
    "orders": Verb(
        "engine.cli.live:orders",
        "List the orders that have not settled, from the running engine or from its journal.",
        "orders --history 20",
    ),
    "order": Verb(
        "engine.cli.live:order",
        "Show one order and every report about it, from the running engine or from its journal.",
        "order 3f9c12ab",
    ),
    "why": Verb(
        "engine.cli.why:why",
        "Tell why an order is as it is, cause by cause: signal, checks, requests, answers, evidence, transitions.",
        "why OABCDE-FGHIJ-KLMNOP",
    ),
    "reports": Verb(
        "engine.cli.live:reports",
        "Print execution reports in order, each once; its offset is where to resume.",
        "reports --follow --after 120",
    ),
    "status": Verb(
        "engine.cli.live:status",
        "Say how the running engine is. Exit code 6 when none runs there.",
        "status --json",
    ),
    "submit": Verb(
        "engine.cli.looking:submit",
        "Give the running engine a signal; says once the verdict is durable. Safe to repeat: one signal_id, one"
        " bracket.",
        "submit signal.json",
    ),
    "signal": Verb(
        "engine.cli.looking:signal",
        "Show one signal: what came, the verdict, and its bracket.",
        "signal 3f9c12ab",
    ),
    "brackets": Verb(
        "engine.cli.looking:brackets",
        "List the brackets that have not ended, with their cover and their orders.",
        "brackets",
    ),
    "bracket": Verb(
        "engine.cli.looking:bracket",
        "Show one bracket, living or ended.",
        "bracket 3f9c12ab",
    ),
    "books": Verb(
        "engine.cli.looking:books",
        "Show the books that the engine holds, and how fresh they are; one by name whether held or not.",
        "books BTC/USD --depth 5",
    ),
    "links": Verb(
        "engine.cli.looking:links",
        "Show the connections to the venue: health, latency, traffic, gaps.",
        "links --json",
    ),
    "limits": Verb(
        "engine.cli.looking:limits",
        "Show the limits, what is used of them, and the room in the venue's own counters.",
        "limits",
    ),
    "denials": Verb(
        "engine.cli.looking:denials",
        "Show the last signals that were denied, with code, reason and numbers.",
        "denials --last 5",
    ),
    "positions": Verb(
        "engine.cli.money:positions",
        "Show what our fills have left in our hands, by strategy and by market, at average cost.",
        "positions --json",
    ),
    "balances": Verb(
        "engine.cli.money:balances",
        "Show the venue's balances held against our books, with holds, reward wallets and what others moved.",
        "balances --json",
    ),
    "pnl": Verb(
        "engine.cli.money:pnl",
        "Show realised and unrealised profit with all fees, in each market's own currency.",
        "pnl --by day",
    ),
    "quality": Verb(
        "engine.cli.money:quality",
        "Show how signals were executed: slippage against the arrival price, fees, the time of each stage.",
        "quality 3f9c12ab",
    ),
    "cancel": Verb(
        "engine.cli.live:cancel",
        "Cancel an order, or entries by signal, market or all. What has filled stays protected.",
        "cancel --symbol BTC/USD",
    ),
    "resolve": Verb(
        "engine.cli.live:resolve",
        "Decide what became of an order whose outcome is unknown, when the venue cannot be asked.",
        'resolve 3f9c12ab --as dead --reason "not among the orders on Kraken\'s page"',
    ),
    "halt": Verb(
        "engine.cli.halting:halt",
        "Let no entry pass until resume, over restarts too; exits always pass.",
        'halt --reason "news at ten"',
    ),
    "resume": Verb(
        "engine.cli.halting:resume",
        "Release a halt, whatever its cause; refused while the cause still stands.",
        'resume --reason "looked into it"',
    ),
    "rearm": Verb(
        "engine.cli.halting:rearm",
        "Let a strategy go on that was throttled for repeated executions.",
        'rearm --strategy momentum --reason "the signals were right"',
    ),
    "alarms": Verb(
        "engine.cli.alarms:alarms",
        "List what is wrong now, how bad it is, since when, and what to do about it.",
        "alarms --past",
    ),
    "ack": Verb(
        "engine.cli.alarms:ack",
        "Acknowledge an alarm: a person has seen it. What still stands stays in the list, marked.",
        'ack LINK_SLOW --reason "the provider knows"',
    ),
    "reload": Verb(
        "engine.cli.alarms:reload",
        "Read limits and pairs anew from the settings files; a bad file changes nothing and says why.",
        'reload --reason "smaller positions over the weekend"',
    ),
    "close": Verb(
        "engine.cli.closing:close",
        "Make a market, a signal or everything of ours flat and prove it, or say what is not flat and why.",
        "close BTC/USD --max-slippage-bps 20",
    ),
    "amend": Verb(
        "engine.cli.amending:amend",
        "Change a resting entry's price, or move a living bracket's stop and target in place.",
        "amend --signal 6f1c2a4e --stop 49500 --target 52000",
    ),
    "algo": Verb(
        "engine.cli.algo:algo",
        "Work a limit signal in parts on the running engine: chase, twap or iceberg. The same line again goes on with"
        " it.",
        "algo twap --signal parent.json --slices 6 --over 600",
    ),
    "protect": Verb(
        "engine.cli.amending:protect",
        "Put coins that are there already under a stop, and a target: a bracket without an entry.",
        "protect BTC/USD 0.02 --stop 49000 --target 52000",
    ),
    "chaos": Verb(
        "engine.cli.chaos:chaos",
        "Run the engine through simulated faults and crashes, and judge every event. Exit code 1 when a rule broke.",
        "chaos --seeds 1-300",
    ),
    "watch": Verb(
        "engine.cli.watch:watch",
        "Show the live book and the trades of a market. Needs no key.",
        "watch BTC/USD --url wss://ws.kraken.com/v2",
    ),
    "guardian": Verb(
        "engine.cli.guardian:guardian",
        "Watch an engine from outside: alarms when it is dead; with a policy of close it takes over and makes flat."
        "\n\nIt sees the engine's pulse, a file renewed each second, and its journal, until Ctrl-C. Dead is an engine"
        " that was killed, is stopped, hangs, or ended by an error; one that ended in order, or that lives and has lost"
        " its network, is told of and never closed.\n\nPolicies: alarm (the default) tells and does nothing: the stops"
        " rest on the venue. close takes the engine's lease (killing its process if that still holds it, by number and"
        " start time), closes everything of ours, halts trading until resume, prints the proof and ends."
        " close-after:SECONDS gives somebody so long to start the engine first.\n\nExit codes: 0 ended in order, or"
        " closed and flat; 2 settings or key; 4 closed and not flat; 5 journal trouble, or another guardian watches"
        " there; 7 its own lease was lost. With --once: 0 the engine beats or ended in order, 6 dead or never there.",
        "guardian --policy close-after:300",
    ),
    "recover": Verb(
        "engine.cli.recover:recover",
        "Say of every order of a dead engine whether it was certainly not sent, may have been sent, or was sent.",
        "recover --data-dir ./data --ask",
    ),
    "plan": Verb(
        "engine.cli.plan.verb:plan",
        "Show what a signal would do: verdict with every check, orders, wire messages, worst case. Nothing is sent.",
        "plan signal.json --slippage-bps 25",
    ),
    "doctor": Verb(
        "engine.cli.doctor.verb:doctor",
        "Look whether an engine would start here, and be safe: machine, settings, disk, journal, venue, keys.",
        "doctor --config ~/live/kraken.toml",
    ),
    "top": Verb(
        "engine.cli.top.verb:top",
        "Show the running engine live: alarms, brackets with their cover, orders, positions, links, budgets, halts.",
        "top",
    ),
    "report": Verb(
        "engine.cli.report.verb:report",
        "Write a day as a page: profit, slippage, latency, fees, signals, fills, alarms, unknown outcomes, halts.",
        "report --out day.html --day 2026-11-20",
    ),
    "help": Verb(
        "engine.cli.help:help_page",
        "Explain a topic: concepts, the order's table, outcomes, brackets, limits, recovery, chaos, the API and more.",
        "help recovery",
    ),
    "completion": Verb(
        "engine.cli.completion:completion",
        "Print the completion of verbs, options and topics for bash, zsh or fish, or install it.",
        "completion bash --install",
    ),
    "errors": Verb(
        "engine.cli.errors:errors",
        "Say what a code means, whether the same again may pass, and what to do: ours, Kraken's, and the exit codes.",
        "errors PRICE_COLLAR",
    ),
}


def register(app: App) -> None:
    """Add the verbs to the command line."""
    for name, verb in VERBS.items():
        group, rank = place_of(name)
        text = f"{verb.help}\n\nExample: python -m engine {verb.example}"
        app.command(verb.place, name=name, help=text, group=group, sort_key=rank)


def place_of(name: str) -> tuple[Group, int]:
    """Return the panel of the list in which a verb stands, and its rank there."""
    for title, names in GROUPS.items():
        if name in names:
            return _PANELS[title], names.index(name)
    raise KeyError(name)
