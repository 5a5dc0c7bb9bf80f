"""ClickHouse from Debian's packages, unpacked into the cache; nothing is installed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tidecast.state.errors import ServiceError
from tidecast.tools.services.cache import cache_folder, kept
from tidecast.tools.services.shell import program, run

__all__ = ["DebianServer", "debian_server", "packages_of", "uninstalled"]

_PACKAGE = "clickhouse-server"
_REMEDY = "put a clickhouse-server on the PATH (https://clickhouse.com/docs/install)"
_BOUNDS = ["-o", "Acquire::http::Timeout=15", "-o", "Acquire::Retries=1"]
# Without it `apt-get update` calls lists that it could not fetch a success.
_STRICT = ["-o", "APT::Update::Error-Mode=any"]


@dataclass(frozen=True)
class DebianServer:
    """A server unpacked from packages, below `root`."""

    root: Path

    @property
    def server(self) -> Path:
        """The program."""
        return self.root / "usr" / "sbin" / _PACKAGE

    @property
    def library_path(self) -> str:
        """The folders of the libraries that came with it, as LD_LIBRARY_PATH wants them."""
        found = [*self.root.glob("usr/lib/*-linux-gnu*"), *self.root.glob("lib/*-linux-gnu*")]
        return ":".join(str(folder) for folder in found)

    def missing_libraries(self) -> list[str]:
        """Name the libraries that neither the packages nor the system have."""
        environment = {"LD_LIBRARY_PATH": self.library_path}
        shown = run(["ldd", str(self.server)], timeout_s=20, environment=environment)
        return re.findall(r"^\s*(\S+) => not found", shown, flags=re.MULTILINE)


def debian_server() -> DebianServer:
    """Return Debian's ClickHouse server, fetched when the cache has none that runs here.

    Raises
    ------
    ServiceError
        When this is no Debian, its archive has no ClickHouse or cannot be reached.
    """
    return DebianServer(kept("clickhouse-debian", _fetch, _runs_here))


def packages_of(shown: str) -> list[str]:
    """Read the server and the libraries it needs from what `apt-cache depends --recurse` says."""
    return sorted(set(re.findall(r"^((?:clickhouse|lib)[a-z0-9.+-]+)$", shown, re.MULTILINE)))


def uninstalled(packages: Sequence[str], shown: str) -> list[str]:
    """Drop the packages that `dpkg-query` shows as installed: the system serves those."""
    installed = set(re.findall(r"^(\S+) installed$", shown, flags=re.MULTILINE))
    return [package for package in packages if package not in installed]


def _runs_here(folder: Path) -> bool:
    """Tell whether a cached server fits this system; a shared home may see several."""
    server = DebianServer(folder)
    return server.server.is_file() and not server.missing_libraries()


def _fetch(folder: Path) -> None:
    try:
        for name in ("apt-get", "apt-cache", "dpkg", "dpkg-query", "ldd"):
            program(name, "this system has no Debian packages")
        _download_and_unpack(folder)
    except ServiceError as problem:
        raise ServiceError(f"no ClickHouse server: {problem}; {_REMEDY}") from problem
    if missing := DebianServer(folder).missing_libraries():
        raise ServiceError(f"Debian's ClickHouse lacks {', '.join(missing)} here; {_REMEDY}")


def _download_and_unpack(folder: Path) -> None:
    try:
        _download(folder, [])
    except ServiceError:
        # The system's lists are missing or old; fresh ones of our own need no root.
        _download(folder, _fresh_lists())
    for package in sorted(folder.glob("*.deb")):
        run(["dpkg", "-x", str(package), str(folder)], timeout_s=60)
        package.unlink()


def _download(folder: Path, lists: Sequence[str]) -> None:
    only_hard = [f"--no-{kind}" for kind in ("recommends", "suggests", "conflicts", "breaks")]
    others = ["--no-replaces", "--no-enhances"]
    depends = ["apt-cache", *lists, "depends", "--recurse", *only_hard, *others, _PACKAGE]
    packages = packages_of(run(depends, timeout_s=30))
    if _PACKAGE not in packages:
        raise ServiceError(f"Debian's archive has no {_PACKAGE} for this system")
    installed = run(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\\n"], timeout_s=30)
    wanted = uninstalled(packages, installed)
    run(["apt-get", *lists, *_BOUNDS, "download", *wanted], timeout_s=180, cwd=folder)


def _fresh_lists() -> list[str]:
    base = cache_folder() / "apt"
    for folder in ("lists/partial", "archives/partial"):
        (base / folder).mkdir(parents=True, exist_ok=True)
    places = [f"Dir::State::lists={base}/lists", f"Dir::Cache={base}", "Debug::NoLocking=true"]
    lists = [word for place in places for word in ("-o", place)]
    run(["apt-get", *lists, *_BOUNDS, *_STRICT, "update"], timeout_s=180)
    return lists
