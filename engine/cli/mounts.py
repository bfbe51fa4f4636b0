"""What a directory lies on. A journal needs locks and syncs that mean what they say."""

from __future__ import annotations

from pathlib import Path

MOUNTS = Path("/proc/self/mounts")
NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "fuse.sshfs", "fuse.rclone"}
)


def network_file_system(path: Path, mounts: Path = MOUNTS) -> str | None:
    """Return the type of the network file system ``path`` lies on, None for a local one or where none can tell.

    Linux lists its mounts in a file (macOS does not): the longest mount point above the path is the one it is on.
    """
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return None
    place = path.resolve()
    best, found = -1, ""
    for line in lines:
        _, point, kind, *_ = line.split(" ")
        point = point.replace("\\040", " ")
        if place.is_relative_to(point) and len(point) > best:
            best, found = len(point), kind
    return found if found in NETWORK else None
