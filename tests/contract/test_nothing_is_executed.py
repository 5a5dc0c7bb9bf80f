"""What comes from a topic is data: the code that reads it has no way to run it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(
    p for folder in ("state", "models", "streams") for p in (ROOT / folder).rglob("*.py")
)
IMPORTS = {
    *("pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"),
    *("yaml", "jsonpickle", "torch.hub", "runpy", "code"),
}
CALLS = {"eval", "exec", "compile", "__import__"}
METHODS = {"__reduce__", "__reduce_ex__", "__setstate__"}


def offences(source: str) -> Iterator[str]:
    """Yield what in ``source`` could run what was read."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from (n.name for n in names if _is_banned(n.name))
            case ast.ImportFrom(module=str(module)) if _is_banned(module):
                yield module
            case ast.Call(func=ast.Name(id=name)) if name in CALLS:
                yield name
            case ast.Call(func=ast.Attribute(value=ast.Name(id="torch"), attr="load")):
                yield "torch.load"
            case ast.Call(func=ast.Attribute(attr=("load" | "read_array") as name)) as call:
                if _reads_arrays(call) and not _refuses_pickles(call):
                    yield f"{ast.unparse(call.func)} without allow_pickle=False"
            case ast.keyword(arg="allow_pickle", value=ast.Constant(value=True)):
                yield "allow_pickle=True"
            case ast.keyword(arg="shell", value=ast.Constant(value=True)):
                yield "shell=True"
            case ast.FunctionDef(name=name) if name in METHODS:
                yield name


def _is_banned(module: str) -> bool:
    return module in IMPORTS or module.partition(".")[0] in IMPORTS


def _reads_arrays(call: ast.Call) -> bool:
    return ast.unparse(call.func) in ("np.load", "numpy.load", "np.lib.format.read_array")


def _refuses_pickles(call: ast.Call) -> bool:
    return any(
        keyword.arg == "allow_pickle" and ast.unparse(keyword.value) == "False"
        for keyword in call.keywords
    )


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_can_run_what_it_reads(path: Path) -> None:
    assert list(offences(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "import yaml.cyaml",
        "eval('1')",
        "np.load(path)",
        "torch.load(path, weights_only=True)",
        "np.lib.format.read_array(file, allow_pickle=flag)",
        "np.save(path, x, allow_pickle=True)",
        "subprocess.run(text, shell=True)",
    ],
)
def test_what_could_run_it_is_recognised(source: str) -> None:
    assert list(offences(source))


def test_harmless_look_alikes_pass() -> None:
    source = "re.compile('x')\njson.load(file)\nnp.load(path, allow_pickle=False)"
    assert list(offences(source)) == []
