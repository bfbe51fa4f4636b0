"""The planted bugs stay plantable: each fits the engine of today, says its mistake, and leaves a program that loads."""

from __future__ import annotations

import ast
import filecmp
import importlib
import sys
import types
from pathlib import Path

import pytest

from tests.chaos.planting import PLANTED, ROOT, Patch, PatchFault, apply_patch, named, parse, patched, patches, run_in

ORDER_PATH = ("engine/orders/", "engine/runtime/", "engine/kraken/", "engine/journal/", "engine/risk/")
LEAST = 34
SOUND = """# A mistake.
--- a/engine/one.py
+++ b/engine/one.py
@@ -1,2 +1,2 @@
 kept
-old
+new
"""


def _load(file: str, text: str) -> types.ModuleType:
    """Run a module's text beside the engine that is loaded, in whose place it does not come."""
    module = types.ModuleType(file.removesuffix(".py").replace("/", "."))
    importlib.import_module(module.__name__)  # dataclasses look their module up by its name
    module.__file__ = file
    exec(compile(text, file, "exec"), module.__dict__)
    return module


@pytest.mark.parametrize("name", [path.stem for path in sorted(PLANTED.glob("*.patch"))])
def test_planted_bug_applies_and_its_files_load(name: str) -> None:
    """A patch fits exactly one place of each file it names, changes what the file does, and the file still loads."""
    for file, text in patched(named(name)).items():
        there = (ROOT / file).read_text(encoding="utf-8")
        assert ast.dump(ast.parse(text)) != ast.dump(ast.parse(there))
        assert vars(_load(file, text)).keys() >= _defined(there)


def _defined(source: str) -> set[str]:
    """Return what a module defines at its top: classes and functions."""
    kinds = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    return {node.name for node in ast.parse(source).body if isinstance(node, kinds)}


def test_planted_bugs_are_many_of_the_order_path_and_each_says_its_mistake() -> None:
    """Enough of them, in the order path alone, each with a sentence of its own; no two change the same thing."""
    planted = patches()
    assert len(planted) >= LEAST
    assert all(file.startswith(ORDER_PATH) for patch in planted for file in patch.files)
    assert all(patch.mistake.endswith(".") and len(patch.mistake) <= 120 for patch in planted)
    assert len({patch.mistake for patch in planted}) == len({patch.hunks for patch in planted}) == len(planted)


def test_planting_changes_the_copy_and_never_the_checkout(tmp_path: Path) -> None:
    """A copy differs from the checkout in the patched files alone, and the checkout stays as it is."""
    patch = next(one for one in patches() if len(one.files) > 1)
    before = {file: (ROOT / file).read_text(encoding="utf-8") for file in patch.files}
    folder = apply_patch(patch.name, tmp_path / "copy")
    assert folder == tmp_path / "copy"
    assert {file: (ROOT / file).read_text(encoding="utf-8") for file in patch.files} == before
    assert {file: (folder / file).read_text(encoding="utf-8") for file in patch.files} == patched(patch)
    room = Path(patch.files[0]).parent
    names = [path.name for path in (ROOT / room).glob("*.py") if f"{room}/{path.name}" not in patch.files]
    same, different, failed = filecmp.cmpfiles(ROOT / room, folder / room, names, shallow=False)
    assert (len(same), different, failed) == (len(names), [], [])


def test_copy_that_is_there_is_not_planted_twice(tmp_path: Path) -> None:
    """A folder with an engine in it is refused: two mistakes in one copy would be nobody's."""
    name = patches()[0].name
    apply_patch(name, tmp_path)
    with pytest.raises(FileExistsError):
        apply_patch(name, tmp_path)


@pytest.mark.process
def test_command_in_a_copy_imports_the_planted_engine(tmp_path: Path) -> None:
    """What runs in a copy finds the copy's engine before the installed one, and loads the patched file."""
    folder = apply_patch("nonce_reused_after_restart", tmp_path)
    code = "import engine.kraken.nonce as it; s = it.MemoryNonceStore(10**18); print(it.__file__, it.Nonces(s).draw(0))"
    done = run_in(folder, [sys.executable, "-c", code], timeout_s=60)
    assert done.stdout.split() == [str(folder / "engine/kraken/nonce.py"), str(10**18 - 10**10 + 1)]


def test_hunk_that_fits_no_place_or_two_is_a_fault(tmp_path: Path) -> None:
    """Code that has changed, or that stands twice, is told with the patch's name instead of being guessed at."""
    patch = parse("one", SOUND)
    (tmp_path / "engine").mkdir()
    for text in ("kept\nother\n", "kept\nold\nkept\nold\n"):
        (tmp_path / "engine/one.py").write_text(text)
        with pytest.raises(PatchFault, match=r"^one: a hunk fits [02] places of engine/one\.py"):
            patched(patch, tmp_path)
    (tmp_path / "engine/one.py").unlink()
    with pytest.raises(PatchFault, match=r"one\.py is gone"):
        patched(patch, tmp_path)


def test_hunk_fits_wherever_its_lines_have_moved(tmp_path: Path) -> None:
    """Line numbers count for nothing; whole lines do."""
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine/one.py").write_text("first\nun-kept\nold\nkept\nold\nlast\n")
    assert patched(parse("one", SOUND), tmp_path) == {"engine/one.py": "first\nun-kept\nold\nkept\nnew\nlast\n"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        SOUND.removeprefix("# A mistake.\n"),
        "# A mistake.\n",
        SOUND.replace("engine/", "tests/"),
        SOUND.removesuffix("+new\n"),
        SOUND + "trailing\n",
    ],
)
def test_file_that_is_no_patch_of_the_engine_is_a_fault(text: str) -> None:
    """A patch without its sentence, of other files, or cut short is told at once."""
    with pytest.raises(PatchFault, match=r"^one: "):
        parse("one", text)


def test_unknown_name_is_a_fault() -> None:
    """Asking for a bug that nobody planted says so."""
    with pytest.raises(PatchFault, match="no such patch"):
        named("no_such_bug")


def test_patch_knows_each_file_once() -> None:
    """Two hunks of one file are one file changed."""
    hunk = parse("one", SOUND).hunks[0]
    assert Patch("one", "A mistake.", (hunk, hunk)).files == ("engine/one.py",)
