"""The zonefile provider: our records between two markers, all else the owner's, and a serial that only rises."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import subprocess
import threading
import time
from pathlib import Path
from typing import Iterator

import pytest

from harness import BEHIND_PROXY, Daemon, host, merged

ZONE = "example.test."
HOME = "home.example.test."
BOTH = ["A", "AAAA"]
PATIENT = merged(BEHIND_PROXY, {"update": {"timeout_s": 20}})  # for large files, and whose owner edits them
BEGIN, END = b"\n; ddns53 begin", b"\n; ddns53 end"
OWNERS = """\
; Zone of the example family. Edited by hand since 1999.\t
$TTL 1d
@\tIN\tSOA\tns1.example.test. hostmaster.example.test. ( ; comment (with parens
\t\t2019123199 \t; Serial, raised by hand
\t\t2h ; refresh
 15m 4w\t1h )
\tNS\tns1
        NS   ns2.example.org.
ns1     A     192.0.2.53
        AAAA  2001:db8::53
txt     TXT   "a ; no comment ( \\" ; ddns53 begin" 'x'
mail\t600 IN MX 10 mx
mx A 192.0.2.25
$ORIGIN sub.example.test.
www  CNAME ns1.example.test.
\\# TXT "odd"

"""


def write_zone(d: Daemon, text: str | bytes) -> Path:
    """As a whole, as most editors do: nobody reads a part of it."""
    path = d.zone_file()
    path.parent.mkdir(exist_ok=True)
    aside = path.with_suffix(".editor")
    aside.write_bytes(text.encode() if isinstance(text, str) else text)
    aside.rename(path)
    return path


@contextlib.contextmanager
def lock(folder: Path) -> Iterator[None]:
    """As `flock FOLDER COMMAND` does."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def check_zone(path: Path, name: str = ZONE) -> None:
    done = subprocess.run(["named-checkzone", "-i", "local", name, path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr + path.read_text()


def compiled(path: Path, name: str = ZONE) -> set[tuple[str, str, str]]:
    """(name, type, data) of every record, as BIND reads the file; underscores are no host names to it."""
    command = ["named-compilezone", "-k", "ignore", "-i", "local", "-s", "full", "-o", "-", name, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split(None, 4) for line in done.stdout.splitlines() if re.match(r"\S+\s+\d+\s+IN\s", line)]
    return {(row[0], row[3], row[4]) for row in rows}


def serial(path: Path) -> int:
    found = re.search(rb"(\d+)[ \t]*;[ \t]*serial", path.read_bytes(), re.IGNORECASE)
    assert found, path.read_text()
    return int(found.group(1))


def owners_part(data: bytes) -> bytes:
    """All but what stands between the markers, the marker lines themselves included in what is taken away."""
    start = data.index(BEGIN) + 1
    end = data.index(END, start) + 1
    return data[:start] + data[data.index(b"\n", end) + 1 :]


@pytest.fixture
def zoned(daemon):
    """A daemon whose zone file is `text` before it starts; None: it makes its own."""

    def make(text: str | bytes | None = OWNERS, hosts=(host(HOME, BOTH),), settings=None) -> Daemon:
        settings = merged(PATIENT, settings or {})
        d = daemon(start=False, settings=settings, hosts=hosts)
        if text is not None:
            write_zone(d, text)
        return d.start()

    return make


# ---- the file ----


def test_a_zone_file_is_made(zoned):
    begun = time.strftime("%Y", time.gmtime())
    d = zoned(None)
    assert d.set(HOME, via="198.18.7.9").status == 200
    path = d.zone_file()
    check_zone(path)
    records = compiled(path)
    assert (HOME, "A", "198.18.7.9") in records
    assert {kind for name, kind, _ in records if name == ZONE} == {"SOA", "NS"}
    assert begun <= str(serial(path))[:4] <= time.strftime("%Y", time.gmtime())
    assert path.read_text().index("$ORIGIN example.test.") < path.read_text().index(HOME)


def test_the_owners_bytes_are_kept(zoned):
    odd = OWNERS.encode() + b"; caf\xe9 in latin-1, and no newline at the end"
    for text in (OWNERS.encode(), odd, OWNERS.replace("\n", "\r\n").encode()):
        d = zoned(text)
        for address in ("198.18.7.9", "2001:db8::9", "198.18.7.10"):
            assert d.set(HOME, via=address).status == 200
        path = d.zone_file()
        after = path.read_bytes()
        line_end = b"\r\n" if b"\r\n" in text else b"\n"
        expected = text if text.endswith(b"\n") else text + line_end
        assert owners_part(after) == expected.replace(b"2019123199", str(serial(path)).encode())
        block = after[after.index(BEGIN) + 1 : after.index(END) + 1].splitlines(keepends=True)
        assert block[1:] == [
            b"home.example.test. 60 IN A 198.18.7.10" + line_end,
            b"home.example.test. 60 IN AAAA 2001:db8::9" + line_end,
        ]
        d.stop()


def test_bind_reads_what_stood_there_and_what_is_ours(zoned):
    names = {HOME: BOTH, "*.wild.example.test.": ["A"], "_srv.example.test": ["AAAA"], ZONE: ["A"]}
    addresses = {"A": "198.18.7.9", "AAAA": "2001:db8::9"}
    d = zoned(hosts=[host(name, types) for name, types in names.items()])
    before = compiled(d.zone_file())
    for name, types in names.items():
        for record_type in types:
            assert d.set(name, via=addresses[record_type]).status == 200
    after = compiled(d.zone_file())
    new = {record for record in after - before if record[1] != "SOA"}
    assert new == {
        (HOME, "A", "198.18.7.9"),
        (HOME, "AAAA", "2001:db8::9"),
        ("*.wild.example.test.", "A", "198.18.7.9"),
        ("_srv.example.test.", "AAAA", "2001:db8::9"),
        (ZONE, "A", "198.18.7.9"),
    }
    assert {record for record in before - after if record[1] != "SOA"} == set()


def test_the_order_is_stable(zoned):
    names = ["z.example.test.", "a.example.test.", "b.a.example.test.", "*.example.test.", "example.test."]
    first = zoned(None, [host(name) for name in names])
    for name in names:
        assert first.set(name, via="198.18.7.9").status == 200
    order = [line.split()[0] for line in first.zone_file().read_text().splitlines() if " IN A " in line]
    assert sorted(order) == sorted(names)
    for name in reversed(names):
        assert first.set(name, via="198.18.7.10").status == 200
    assert [line.split()[0] for line in first.zone_file().read_text().splitlines() if " IN A " in line] == order


def test_no_change_does_not_touch_the_file(zoned):
    d = zoned()
    assert d.set(HOME, via="198.18.7.9").status == 200
    before = d.zone_file().stat()
    assert "already" in d.set(HOME, via="198.18.7.9").message
    d.stop()
    d.start()
    assert "already" in d.set(HOME, via="198.18.7.9").message
    after = d.zone_file().stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_it_is_replaced_as_a_whole(zoned):
    """Whoever reads it meanwhile sees the file before or after a change, never a part."""
    d = zoned()
    path, broken, done = d.zone_file(), [], threading.Event()
    first = path.read_bytes()

    def read() -> None:
        while not done.is_set():
            data = path.read_bytes()
            if data != first and not (data.count(BEGIN) == 1 and data.endswith(END + b"\n")):
                broken.append(data)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(40):
        assert d.set(HOME, via=f"198.18.7.{number}").status == 200
    done.set()
    reader.join()
    assert broken == []
    assert [name.name for name in path.parent.iterdir()] == [path.name]  # nothing is left beside it


LARGE_NAMES = [f"h{number}.example.test." for number in range(8)]


def written_bytes(d: Daemon) -> int:
    """What it has handed to the kernel so far, for any file."""
    found = re.search(r"^wchar: (\d+)$", Path(f"/proc/{d.pid}/io").read_text(), re.MULTILINE)
    assert found
    return int(found.group(1))


@pytest.fixture
def large(zoned):
    """With 30,000 records of hosts that are no more, r000000 to r029999."""
    lines = "".join(f"r{number:06}.example.test. 60 IN A 198.18.0.1\n" for number in range(30000))
    head = "$TTL 60\n@ SOA ns1 hostmaster ( 2020010100 ; serial\n 1h 1h 1w 1h )\n NS ns1\nns1 A 192.0.2.1\n"
    return zoned(f"{head}; ddns53 begin\n{lines}; ddns53 end\n", [host(name) for name in LARGE_NAMES])


def test_a_large_file_is_written_in_part(large):
    """From the third change on, into a spare copy of it; what comes of that, name servers read."""
    d, names, path = large, LARGE_NAMES, large.zone_file()
    spare = path.with_name(f".{path.name}.spare")
    for count, name in enumerate(names):
        before = written_bytes(d)
        assert d.set(name, via=f"198.18.7.{count}").status == 200
        is_whole = written_bytes(d) - before > path.stat().st_size
        assert is_whole == (count < 2) and spare.exists() == (count > 0)
    records = compiled(path)
    assert {(name, "A", f"198.18.7.{count}") for count, name in enumerate(names)} <= records
    assert sum(name.startswith("r0") for name, _, _ in records) == 30000
    done = subprocess.run(["/usr/sbin/nsd-checkzone", ZONE, path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    d.stop()
    assert [name.name for name in path.parent.iterdir()] == [path.name]


def test_the_spare_of_a_large_file_lacks_the_owners_edit(large):
    """So it is of no use after one, though all records lie where they lay before."""
    d, path = large, large.zone_file()

    edit = "r029999.example.test. 60 IN A 198.18.0.{}"

    def set_all_to(third: int, end: int) -> None:
        for count, name in enumerate(LARGE_NAMES):
            assert d.set(name, via=f"198.18.{third}.{count}").status == 200
            assert edit.format(end) in path.read_text()

    set_all_to(7, 1)
    d.stop()
    d.start()
    set_all_to(8, 1)
    aside = path.with_name("owner's editor")
    aside.write_text(path.read_text().replace(edit.format(1), edit.format(2)))
    aside.rename(path)
    set_all_to(9, 2)
    records = compiled(path)
    assert {(name, "A", f"198.18.9.{count}") for count, name in enumerate(LARGE_NAMES)} <= records


# ---- the serial ----


def test_the_serial_rises_with_each_change(zoned):
    d = zoned()
    today = int(time.strftime("%Y%m%d00", time.gmtime()))
    serials = [serial(d.zone_file())]
    for number in range(5):
        assert d.set(HOME, via=f"198.18.7.{number}").status == 200
        serials.append(serial(d.zone_file()))
    assert serials[0] == 2019123199 and serials[1] >= today
    assert all(after > before for before, after in zip(serials, serials[1:]))


def is_later(after: int, before: int) -> bool:
    """RFC 1982 section 3.2."""
    return 0 < (after - before) % 2**32 < 2**31


@pytest.mark.parametrize("start", [0, 1, 2099123199, 2147483647, 3999999999, 4173595000, 4294967295])
def test_the_serial_never_goes_back(zoned, start):
    """Also from a serial of the future, where the date would be earlier, and over a restart."""
    d = zoned(OWNERS.replace("2019123199", str(start)))
    serials = [start]
    for address in ("198.18.7.9", "198.18.7.10", "198.18.7.11"):
        assert d.set(HOME, via=address).status == 200
        serials.append(serial(d.zone_file()))
        if len(serials) == 3:
            d.stop()
            d.start()
    assert all(is_later(after, before) for before, after in zip(serials, serials[1:])), serials
    check_zone(d.zone_file())


# ---- what the owner does ----


def test_the_owner_may_edit_while_it_runs(zoned):
    d = zoned()
    assert d.set(HOME, via="198.18.7.9").status == 200
    path = d.zone_file()
    edited = path.read_text().replace("mx A 192.0.2.25", "mx A 192.0.2.26\nnew A 192.0.2.99")
    replacement = path.with_suffix(".editor")
    replacement.write_text(edited)
    replacement.rename(path)
    assert d.set(HOME, via="198.18.7.10").status == 200
    records = compiled(path)
    assert {("mx.example.test.", "A", "192.0.2.26"), ("new.example.test.", "A", "192.0.2.99")} <= records
    assert (HOME, "A", "198.18.7.10") in records


def test_the_owner_may_move_the_markers(zoned):
    text = OWNERS.replace("mx A", "; ddns53 begin\n; ddns53 end\nmx A")
    d = zoned(text)
    assert d.set(HOME, via="198.18.7.9").status == 200
    lines = d.zone_file().read_text().splitlines()
    assert lines.index("mx A 192.0.2.25") - lines.index("home.example.test. 60 IN A 198.18.7.9") == 2
    check_zone(d.zone_file())


@pytest.mark.parametrize(
    "line, record_type, conflict",
    [
        ("home A 192.0.2.1", "A", True),
        ("home.example.test. 60 IN A 192.0.2.1", "A", True),
        ("HOME IN A 192.0.2.1", "A", True),
        ("home CNAME mx", "A", True),
        ("home AAAA 2001:db8::1", "AAAA", True),
        ("home AAAA 2001:db8::1", "A", False),
        ('home TXT "text"', "A", False),
        ("home.home A 192.0.2.1", "A", False),
        ("; home A 192.0.2.1", "A", False),
    ],
)
@pytest.mark.parametrize("when", ["before", "while it runs"])
def test_what_stands_outside_of_the_markers_is_not_ours(zoned, line, record_type, conflict, when):
    text = OWNERS.replace("mx A", line + "\nmx A")
    d = zoned(text if when == "before" else OWNERS)
    if when != "before":
        d.set(HOME, via="198.18.7.1" if record_type == "A" else "2001:db8::1")
        current = d.zone_file().read_text().replace("mx A", line + "\nmx A")
        write_zone(d, current)
    before = d.zone_file().read_bytes()
    answer = d.set(HOME, via="198.18.7.9" if record_type == "A" else "2001:db8::9")
    assert answer.status == (409 if conflict else 200), answer.text
    if conflict:
        assert HOME in answer.message
        assert d.zone_file().read_bytes() == before
    else:
        check_zone(d.zone_file())


@pytest.mark.parametrize(
    "spoil, words",
    [
        (lambda text: text + "; ddns53 begin\n", "ddns53 begin"),
        (lambda text: text + "; ddns53 end\n", "marker"),
        (lambda text: text + "; ddns53 begin\nx MX 1 y\n; ddns53 end\n", "markers"),
        (lambda text: text.replace("; Serial, raised by hand", ""), "serial"),
        (lambda text: text.replace("2019123199", "twenty"), "serial"),
        (lambda text: text.replace("1h )", "1h"), "("),
        (lambda text: "", "SOA"),
    ],
)
def test_a_file_that_cannot_be_understood_waits_for_its_owner(zoned, spoil, words):
    d = zoned(spoil(OWNERS), settings={"update": {"timeout_s": 1}})
    path = d.zone_file()
    before = path.read_bytes()
    answer = d.set(HOME, via="198.18.7.9")
    assert answer.status == 503 and int(answer.headers["Retry-After"]) > 0
    line = d.wait_log("event=zone_trouble .*").group()
    assert str(path) in line and words in line
    assert path.read_bytes() == before
    write_zone(d, OWNERS)
    d.reload()  # tries at once what waits
    d.wait_log(f"event=late_change host={HOME} .*result=set")
    assert (HOME, "A", "198.18.7.9") in compiled(path)


def test_a_file_that_disappears(zoned):
    """Made anew it would lack the owner's records: nothing is written until it is back."""
    d = zoned()
    assert d.set(HOME, via="198.18.7.9").status == 200
    d.settings["update"] = {"timeout_s": 1}
    d.write_config()
    d.reload()
    path = d.zone_file()
    path.rename(path.with_suffix(".away"))
    assert d.set(HOME, via="198.18.7.10").status == 503
    assert not path.exists()
    path.with_suffix(".away").rename(path)
    d.reload()
    d.wait_log(f"event=late_change host={HOME} .*result=set")
    assert (HOME, "A", "198.18.7.10") in compiled(path)


# ---- the owner edits at the same time ----


class Owner(threading.Thread):
    """Adds a record of its own to the zone file again and again, each by an edit of the whole file."""

    def __init__(self, path: Path, edits: int, in_place: bool):
        super().__init__()
        self.path, self.edits, self.in_place, self.made = path, edits, in_place, 0

    def run(self) -> None:
        for number in range(self.edits):
            text = self.path.read_text()
            edited = text.replace("\nmx A", f"\nowner{number} A 192.0.2.7\nmx A", 1)
            if self.in_place:
                with self.path.open("w") as file:
                    for start in range(0, len(edited), 4096):
                        file.write(edited[start : start + 4096])
                        file.flush()
            else:
                aside = self.path.with_name("owner's editor")
                aside.write_text(edited)
                aside.chmod(0o644)
                aside.rename(self.path)
            self.made += 1


def set_all(d: Daemon, names: list[str], owner: threading.Thread) -> dict[str, str]:
    """Sets the names in turn for as long as the owner edits, and once more. Returns what was acknowledged last."""
    acknowledged, count = {}, 0
    while True:
        is_last = not owner.is_alive()
        for name in names:
            count += 1
            address = f"198.18.{count // 250}.{count % 250}"
            answer = d.set(name, via=address)
            assert answer.status == 200, answer.text
            acknowledged[name] = address
        if is_last:
            return acknowledged


@pytest.mark.parametrize(
    "padding, edits, in_place",
    [(0, 400, False), (60000, 40, False), (200, 200, True), (60000, 20, True)],
    ids=["replaced", "replaced, 5 MB", "in place", "in place, 5 MB"],
)
def test_no_edit_of_the_owner_is_lost(zoned, padding, edits, in_place):
    """Nor an update: an edit that was made from an older copy does not undo those since. In place it takes a file system
    with leases, such as ext4, xfs, btrfs and tmpfs."""
    names = [f"h{number}.example.test." for number in range(4)]
    text = OWNERS + "".join(f"pad{number} TXT \"{number:064}\"\n" for number in range(padding))
    d = zoned(text, [host(name) for name in names])
    owner = Owner(d.zone_file(), edits, in_place)
    owner.start()
    acknowledged = set_all(d, names, owner)
    owner.join()
    assert owner.made == edits
    records = compiled(d.zone_file())
    lost = [number for number in range(edits) if (f"owner{number}.example.test.", "A", "192.0.2.7") not in records]
    assert lost == []
    assert {(name, "A", address) for name, address in acknowledged.items()} <= records
    d.stop()
    assert [name.name for name in d.zone_file().parent.iterdir()] == [d.zone_file().name]


def test_an_older_copy_does_not_undo_updates(zoned):
    """The last edit comes after the last update: it is noticed without another update."""
    d = zoned()
    path = d.zone_file()
    assert d.set(HOME, via="198.18.7.9").status == 200
    older = path.read_text()
    assert d.set(HOME, via="198.18.7.10").status == 200
    mark = d.log_mark()
    aside = path.with_suffix(".editor")
    aside.write_text(older.replace("mx A 192.0.2.25", "mx A 192.0.2.26"))
    aside.rename(path)
    d.wait_log("event=zone_file_merged", since=mark)
    records = compiled(path)
    assert {("mx.example.test.", "A", "192.0.2.26"), (HOME, "A", "198.18.7.10")} <= records


def test_a_locked_folder_is_left_alone(zoned):
    """The safe way to edit in place: read and write under a lock of the folder."""
    d = zoned(OWNERS + "".join(f'pad{number} TXT "{number:064}"\n' for number in range(2000)))
    path, statuses = d.zone_file(), []
    for number in range(5):
        with lock(path.parent):
            text = path.read_text()
            with path.open("w") as file:
                file.write(text[: len(text) // 2])
                file.flush()
                updater = threading.Thread(target=lambda: statuses.append(d.set(HOME, via=f"198.18.8.{number}").status))
                updater.start()
                d.wait_metric("ddns53_queue_depth", 1)
                updater.join(0.2)
                assert updater.is_alive()
                file.write(text[len(text) // 2 :] + f"late{number}.example.test. A 192.0.2.8\n")
        updater.join()
    assert statuses == [200] * 5
    records = compiled(path)
    assert {(f"late{number}.example.test.", "A", "192.0.2.8") for number in range(5)} <= records
    assert (HOME, "A", "198.18.8.4") in records


def test_a_record_that_the_owner_deletes_is_noticed(zoned):
    """Not only after update.reconcile_s: the next update of the host puts it back, though its address is the same."""
    d = zoned()
    path = d.zone_file()
    assert d.set(HOME, via="198.18.7.9").status == 200
    mark = d.log_mark()
    aside = path.with_suffix(".editor")
    aside.write_text("".join(line for line in path.read_text().splitlines(True) if not line.startswith(HOME)))
    aside.rename(path)
    d.wait_log(f'event=drift zone=example.test. count=1 records="{HOME} A"', since=mark)
    assert (HOME, "A", "198.18.7.9") not in compiled(path)
    assert "already" not in d.set(HOME, via="198.18.7.9").message
    assert (HOME, "A", "198.18.7.9") in compiled(path)


def test_a_broken_edit_is_told_before_an_update_needs_it(zoned):
    d = zoned()
    assert d.set(HOME, via="198.18.7.9").status == 200
    mark = d.log_mark()
    good = d.zone_file().read_text()
    write_zone(d, good.replace("1h )", "1h"))
    d.wait_log("event=zone_trouble .*without", since=mark)
    write_zone(d, good)
    d.wait_log("event=zone_recovered", since=mark, timeout=40)


# ---- other users read it ----


def test_mode_and_group_are_the_owners(zoned, tmp_path):
    """A folder with the set-group-ID bit passes its group on; mode and group of a file that is there are kept."""
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    folder = tmp_path / "zones"
    folder.mkdir()
    os.chown(folder, -1, 4242)
    folder.chmod(0o2750)
    d = zoned(None, settings={"zonefile": {"directory": str(folder)}})
    d.wait_log("event=zone_file_made")
    path = d.zone_file()
    assert (path.stat().st_gid, path.stat().st_mode & 0o777) == (4242, 0o644)
    os.chown(path, -1, 4343)
    path.chmod(0o640)
    assert d.set(HOME, via="198.18.7.9").status == 200
    assert (path.stat().st_gid, path.stat().st_mode & 0o777) == (4343, 0o640)


def test_several_zones_and_a_folder_elsewhere(daemon, tmp_path):
    zones = [{"name": name, "provider": "zonefile"} for name in ("example.test", "sub.example.test.")]
    settings = merged(BEHIND_PROXY, {"zones": zones, "zonefile": {"directory": str(tmp_path / "zone files")}})
    names = ["www.example.test.", "www.sub.example.test."]
    d = daemon(settings=settings, hosts=[host(name) for name in names])
    for number, name in enumerate(names):
        assert d.set(name, via=f"198.18.7.{number}").status == 200
    assert d.zone_file("example.test.").parent == tmp_path / "zone files"
    assert compiled(d.zone_file("example.test.")) >= {(names[0], "A", "198.18.7.0")}
    sub = d.zone_file("sub.example.test.")
    check_zone(sub, "sub.example.test.")
    assert (names[1], "A", "198.18.7.1") in compiled(sub, "sub.example.test.")


def test_a_host_that_left_keeps_its_record(zoned):
    """Taking a host out of hosts.yaml is no order to delete its record."""
    d = zoned(hosts=[host(HOME), host("www.example.test.")])
    assert d.set(HOME, via="198.18.7.9").status == 200
    d.hosts = [row for row in d.hosts if row["hostname"] != HOME]
    d.write_config()
    d.reload()
    assert d.set("www.example.test.", via="198.18.7.9").status == 200
    assert (HOME, "A", "198.18.7.9") in compiled(d.zone_file())
