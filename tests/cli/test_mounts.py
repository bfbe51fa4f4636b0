"""Network file systems are told from local ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.cli.mounts import network_file_system

MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
server:/home /mnt/team nfs4 rw 0 0
/dev/sdb1 /mnt/team/local\\040disk ext4 rw 0 0
"""


@pytest.mark.parametrize(
    ("place", "kind"),
    [("/var/lib/engine", None), ("/mnt/team/me", "nfs4"), ("/mnt/team/local disk/data", None), ("/mnt/teams", None)],
)
def test_the_deepest_mount_decides(place: str, kind: str | None, tmp_path: Path) -> None:
    """A local disk mounted inside a network share is local; a name that only begins alike is elsewhere."""
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS)
    assert network_file_system(Path(place), mounts) == kind


def test_a_machine_that_does_not_list_its_mounts_is_trusted(tmp_path: Path) -> None:
    """macOS has no such file: nothing is refused there."""
    assert network_file_system(tmp_path, tmp_path / "none") is None
