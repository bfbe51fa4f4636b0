"""Every verb: help with an example that parses, silence when its reader goes, a stable code for what is wrong."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
from functools import partial
from io import StringIO

import pytest
import trio
from rich.console import Console

from engine.cli.app import app, main
from engine.cli.exits import Exit
from engine.cli.verbs import GROUPS, VERBS
from tests.cli.processes import COMMAND, LIMIT_S, ROOT, Cli, Ended, signal_line

EXAMPLE = re.compile(r"Example: python -m engine (.+)")
CODES = {
    "DONE": 0, "OTHER": 1, "USAGE": 2, "UNREACHABLE": 3, "REFUSED": 4, "JOURNAL": 5, "NO_ENGINE": 6, "LEASE_LOST": 7,
}  # fmt: skip
"""Scripts of users hang on these: a number that is given never means anything else."""


def verbs() -> list[list[str]]:
    """Every verb, also those that stand under another."""
    found: list[list[str]] = []
    for name in app:
        if not name.startswith("-"):
            below = [] if name in VERBS else [one for one in app[name] if not one.startswith("-")]
            found += [[name, one] for one in below] or [[name]]
    return found


def help_of(words: list[str]) -> str:
    text = StringIO()
    app([*words, "--help"], console=Console(file=text, width=200))
    return text.getvalue()


@pytest.mark.parametrize("words", verbs(), ids=" ".join)
def test_help_shows_an_example_and_the_example_parses(words: list[str]) -> None:
    """Each verb has one, of itself, that the command line takes."""
    (example,) = EXAMPLE.findall(help_of(words))
    given = shlex.split(example)
    assert given[: len(words)] == words
    command, bound, _ = app.parse_args(given, exit_on_error=False, print_error=False)
    assert command is not app.default_command or words == ["run"]
    bound.apply_defaults()


def test_the_list_of_verbs_is_in_groups_and_names_each_once() -> None:
    """What a new user needs first stands first; switches show no default that says nothing."""
    names = [name for group in GROUPS.values() for name in group]
    assert sorted(names) == sorted(name for name in app if not name.startswith("-"))
    text = help_of([])
    assert [line.split()[1] for line in text.splitlines() if line.startswith("│ ")][: len(names)] == names
    assert "default: False" not in text
    assert "default: None" not in text


@pytest.mark.parametrize("words", [["submit", "-"], ["plan", "-"], ["run", "--signals", "-"],
                                   ["algo", "twap", "--signal", "-", "--over", "9"]], ids=" ".join)  # fmt: skip
def test_a_hyphen_is_standard_input_wherever_the_help_says_so(words: list[str]) -> None:
    """The library would take it for an option."""
    _, bound, _ = app.parse_args(words, exit_on_error=False, print_error=False)
    assert "-" in bound.arguments.values()


def test_exit_codes_never_change_their_meaning() -> None:
    assert {code.name: int(code) for code in Exit} == CODES


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["haltt", "--reason", "x"], 2, "did you mean halt"),
        (["xyzzy"], 2, "it is one of"),
        (["help", "recovry"], 2, "did you mean recovery?"),
        (["report"], 2, "--out FILE.html"),
        (["report", "--json", "--day", "soon"], 2, "--day is a date"),
        (["status", "--data-dir", "/nowhere/at/all"], 6, "start one with run"),
        (["orders", "--data-dir", "/nowhere/at/all"], 5, "start an engine with run"),
        (["run", "--market", "nope"], 2, "must be synthetic, script:FILE, replay:FILE or live:URL"),
        (["run", "--config", "/nowhere/at/all.toml"], 2, "init writes one"),
        (["submit", "/dev/null", "--data-dir", "/nowhere/at/all"], 2, "no signal in /dev/null"),
        (["submit", "{}", "--data-dir", "/nowhere/at/all"], 6, "no engine runs"),
        (["errors", "NO_SUCH_CODE"], 2, "no code"),
        (["doctor", "--config", "/nowhere/at/all.toml", "--offline"], 2, ""),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else None,
)
def test_what_is_wrong_says_what_to_do(
    words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, no traceback, the same exit code as ever."""
    assert main(words) == code
    told = capsys.readouterr()
    assert said in told.err
    assert "Traceback" not in told.err


@pytest.mark.parametrize(
    "words", [["orders", "--histry", "3"], ["watch"], ["diagram", "--machine", "nose"]], ids=" ".join
)
def test_what_cannot_be_parsed_is_exit_2(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == Exit.USAGE


@pytest.mark.process
@pytest.mark.parametrize(
    "words",
    [
        *(["--help"], ["--version"], ["orders", "--help"], ["errors"], ["errors", "--json"], ["help", "limits"]),
        *(["help"], ["completion", "bash"], ["diagram", "--machine", "order"], ["doctor", "--offline"]),
    ],
    ids=" ".join,
)
def test_a_reader_that_goes_away_is_no_error(cli: Cli, words: list[str]) -> None:
    """``… | head`` is silent: nothing on stderr, exit code 0."""
    process = subprocess.Popen(
        [*COMMAND, *words],
        cwd=cli.place,
        env=cli.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    said = process.stderr.read().decode()
    process.stderr.close()
    assert (process.wait(LIMIT_S), said) == (0, "")


@pytest.mark.process
def test_bash_completes_verbs_options_and_values(cli: Cli) -> None:
    """The script is sourced in a real bash, and asked as readline asks."""
    script = cli.run("completion", "bash")
    assert script.code == 0
    (cli.place / "complete.bash").write_text(script.out)
    asked = """
        . ./complete.bash
        way=$(complete -p kraken-order-engine | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
        for words in 'do' 'orders --hi' 'diagram --machine br' 'journal ver'; do
            COMP_WORDS=(kraken-order-engine $words); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMPREPLY=()
            $way; echo "${COMPREPLY[@]}"
        done
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", asked], cwd=cli.place, capture_output=True, text=True, timeout=LIMIT_S, check=True
    )
    assert done.stdout.splitlines() == ["doctor", "--history", "bracket breaker", "verify"]


@pytest.mark.process
def test_completion_installs_once_and_keeps_what_is_there(cli: Cli) -> None:
    startup = cli.place / ".bashrc"
    startup.write_text("alias ll='ls -l'")
    for _ in range(2):
        assert cli.run("completion", "bash", "--install").code == 0
    lines = startup.read_text().splitlines()
    assert len(lines) == 2
    assert lines[0] == "alias ll='ls -l'"
    script = cli.place / ".local/share/bash-completion/completions/kraken-order-engine"
    assert "complete -F" in script.read_text()
    for shell, there in (("zsh", ".zsh/completions/_kraken-order-engine"), ("fish", ".config/fish/completions")):
        assert cli.run("completion", shell, "--install").code == 0
        assert (cli.place / there).exists()


def test_the_list_of_verbs_costs_no_room_of_the_engine() -> None:
    """``--help`` of all imports none of them."""
    program = (
        "import sys; from engine.cli.app import main; main(['--help']);"
        "assert not {'litestar', 'engine.kraken.venue', 'engine.cli.plan.verb'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_verb_is_in_the_shell_completion() -> None:
    script = app.generate_completion(prog_name="kraken-order-engine", shell="bash")
    for name, *_ in verbs():
        assert re.search(rf"\b{name}\b", script), name


WITHOUT_JSON = {
    *("top", "completion"),  # a picture; a script
    *("diagram", "init", "record"),  # a drawing; files, named in words; a file that is JSON itself
}


@pytest.mark.parametrize("words", verbs(), ids=" ".join)
def test_every_verb_speaks_json_but_those_that_cannot(words: list[str]) -> None:
    assert ("--json" in help_of(words)) != (words[0] in WITHOUT_JSON)


@pytest.mark.process
@pytest.mark.parametrize("words", [["doctor"], ["plan", signal_line()]], ids=["doctor", "plan"])
async def test_ctrl_c_ends_a_question_that_nobody_answers(cli: Cli, words: list[str]) -> None:
    """The venue takes the connection and says nothing; one interrupt ends the verb, in words."""
    async with trio.open_nursery() as nursery:
        heard = trio.Event()

        async def say_nothing(stream: trio.SocketStream) -> None:
            heard.set()
            await trio.sleep_forever()

        listeners = await nursery.start(partial(trio.serve_tcp, say_nothing, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        env = {
            "ENGINE_VENUE": "simulated",
            "ENGINE_API_KEY": "K" * 56,
            "ENGINE_API_SECRET": "c2VjcmV0" * 11,
            "ENGINE_KRAKEN__REST_URL": f"http://127.0.0.1:{port}",
            "ENGINE_KRAKEN__WS_URL": f"ws://127.0.0.1:{port}/v2",
            "ENGINE_KRAKEN__WS_AUTH_URL": f"ws://127.0.0.1:{port}/v2",
        }
        ended: list[Ended] = []

        async def run(task_status: trio.TaskStatus[trio.Process] = trio.TASK_STATUS_IGNORED) -> None:
            ended.append(await cli.run_beside(*words, env=env, task_status=task_status))

        async with trio.open_nursery() as running:
            process = await running.start(run)
            with trio.fail_after(LIMIT_S):
                await heard.wait()
            process.send_signal(signal.SIGINT)
        nursery.cancel_scope.cancel()
    assert ended[0].code == Exit.OTHER
    assert "Traceback" not in ended[0].err
    assert "broken off" in ended[0].err + ended[0].out
