"""Where the file lies: on a disk of this machine, for its owner alone, and still there."""

import logging
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ytworker.errors import StoreError
from ytworker.model import NewTask
from ytworker.queue.sqlite import SQLiteQueue, files
from ytworker.settings import sqlite_url

MOUNTINFO = r"""
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
40 27 0:50 / /mnt/share rw,relatime shared:1 - nfs4 server:/export rw,vers=4.2
41 40 254:1 / /mnt/share/local rw,relatime - ext4 /dev/vdb rw
42 27 0:51 / /mnt/with\040blank rw - fuse.sshfs host: rw
43 27 0:52 / /media rw - tmpfs tmpfs rw
44 43 0:53 / /media rw - cifs //nas/media rw
45 27 0:54 / /srv/日本 rw - nfs4 server:/export rw
"""
MAC = """
/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)
//guest@nas/media on /Volumes/media (smbfs, nodev, nosuid, mounted by me)
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/me/queue.db", None),
        ("/mnt/share/queue.db", "nfs4"),
        ("/mnt/shared/queue.db", None),
        ("/mnt/share/local/queue.db", "ext4"),
        ("/mnt/with blank/queue.db", "fuse.sshfs"),
        ("/media/queue.db", "cifs"),
        ("/srv/日本/queue.db", "nfs4"),
        ("/srv/queue.db", None),
    ],
)
def test_q7_the_file_system_is_that_of_the_deepest_mount(path: str, kind: str | None) -> None:
    assert files.file_system_of(Path(path), files.parse_mountinfo(MOUNTINFO)) == kind


def test_q7_a_mount_whose_name_is_no_utf_8_is_known_by_its_bytes() -> None:
    found = files.parse_mountinfo(os.fsdecode(b"45 27 0:54 / /srv/caf\xe9\\040x rw - nfs4 server:/export rw"))
    assert files.file_system_of(Path(os.fsdecode(b"/srv/caf\xe9 x/queue.db")), found) == "nfs4"
    assert files.file_system_of(Path("/srv/caf x/queue.db"), found) is None


def test_q7_a_mac_lists_its_mounts_in_words() -> None:
    mounts = files._mounts_of_mac(MAC)
    assert files.file_system_of(Path("/Volumes/media/a.db"), mounts) == "smbfs"
    assert files.file_system_of(Path("/Users/me/a.db"), mounts) is None


@given(st.text())
def test_any_text_is_read_as_a_table_of_mounts(text: str) -> None:
    files.parse_mountinfo(text)
    files._mounts_of_mac(text)


@pytest.mark.parametrize("kind", sorted(files.NETWORK_FILE_SYSTEMS))
def test_q7_a_network_file_system_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(files, "mounts", lambda: [("/", "ext4"), (str(tmp_path), kind)])
    with pytest.raises(StoreError, match=rf"network file system \({kind}\).*Name a local disk with --queue"):
        SQLiteQueue(sqlite_url(tmp_path / "new" / "queue.db"))
    assert list((tmp_path / "new").iterdir()) == []


def test_q7_a_link_does_not_hide_a_network_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.setattr(files, "mounts", lambda: [("/", "ext4"), (str(tmp_path / "real"), "nfs")])
    with pytest.raises(StoreError, match="network file system"):
        SQLiteQueue(sqlite_url(tmp_path / "link" / "queue.db"))


def test_q7_a_root_on_the_network_is_let_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "mounts", lambda: [("/", "nfs")])
    SQLiteQueue(sqlite_url(tmp_path / "queue.db")).close()


def test_q7_a_file_that_others_could_read_is_closed_to_them_with_a_warning(
    queue: SQLiteQueue, queue_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    queue.close()
    queue_file.chmod(0o644)
    queue.connect().close()
    assert queue_file.stat().st_mode & 0o777 == 0o600
    assert "could be read by others; its mode is 0600 now" in caplog.text


def test_q7_a_folder_that_others_can_write_to_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    real.chmod(0o777)
    link.symlink_to(real)
    SQLiteQueue(sqlite_url(link / "queue.db")).close()
    assert f"others can write to the folder {real}" in caplog.text
    assert f"chmod 700 {link}" in caplog.text
    real.chmod(0o1777)  # like /tmp, where nobody can replace the files of others
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        SQLiteQueue(sqlite_url(link / "queue.db")).close()
    assert not caplog.text


@pytest.mark.parametrize("change", ["deleted", "moved", "replaced"])
def test_a_worker_whose_file_is_gone_stops_instead_of_writing_into_nowhere(
    queue: SQLiteQueue, queue_file: Path, worker: int, change: str
) -> None:
    assert queue.renew(worker, lease_seconds=60)
    if change == "replaced":
        other = SQLiteQueue(sqlite_url(queue_file.with_name("other.db")))
        other.close()
        queue_file.with_name("other.db").replace(queue_file)
    else:
        queue_file.rename(queue_file.with_name("elsewhere.db"))
    if change == "deleted":
        queue_file.with_name("elsewhere.db").unlink()
    with pytest.raises(StoreError, match=r"was moved, deleted or replaced while it was open.*restore a backup"):
        queue.renew(worker, lease_seconds=60)


def test_an_old_sqlite_is_refused(queue_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ytworker.queue.sqlite.database.sqlite3.sqlite_version_info", (3, 36, 0))
    with pytest.raises(StoreError, match=r"is too old, 3\.37\.0 is needed"):
        SQLiteQueue(sqlite_url(queue_file))


def test_a_file_with_an_unwritable_line_beside_it_still_works(queue: SQLiteQueue, queue_file: Path) -> None:
    """The line is about fairness: where it cannot be formed, whoever waits asks SQLite without it."""
    queue_file.with_name(queue_file.name + "-line").mkdir()
    other = queue.connect()
    with queue._database.write():
        waiting = other._database._line
        waiting.patience.seconds = 0
        with pytest.raises(StoreError, match="held the queue for too long"):
            other.enqueue([NewTask(type="demo", params={})])
    assert other.enqueue([NewTask(type="demo", params={})])[0].created
    other.close()
