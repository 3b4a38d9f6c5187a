"""The import walls of the design, and what keeps files readable and the command line quick."""

import ast
import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import molgen

ROOT = Path(molgen.__file__).parent
REPOSITORY = ROOT.parent
CHEMISTRY_LIBRARIES = ("rdkit", "ase", "pymatgen", "spglib", "moyopy", "lightning", "pytorch_lightning")
CORE_FILES = (
    "structure",
    "batch",
    "randomness",
    "checkpoint",
    "denoiser",
    "config",
    "testing",
    "errors",
    "host_cpu",
)
CORE_PACKAGES = ("geometry", "processes", "networks", "models", "solvers", "sampling", "symmetry")
CORE_MORE = ("datasets.packed", "datasets.packing", "datasets.batching", "datasets.find", "io.xyz")
MODEL_PARTS = ("models", "networks", "processes", "denoiser", "solvers", "sampling", "training", "checkpoint")


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")


FILES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}


def in_package(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == f"molgen.{package}" or name.startswith(f"molgen.{package}.") for package in packages)


@cache
def imports(name: str) -> frozenset[str]:
    """Modules that a module names in import statements, but for those that only the type checker reads."""
    tree = ast.parse(FILES[name].read_text(encoding="utf-8"))
    package = name if FILES[name].name == "__init__.py" else name.rpartition(".")[0]
    found: set[str] = set()
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parent = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parent, *([base] if base else [])])
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
        pending.extend(ast.iter_child_nodes(node))
    return frozenset(found)


def reached(start: str) -> set[str]:
    """Modules of molgen that a module's import statements lead to, inside functions too."""
    seen, pending = set(), [start]
    while pending:
        name = pending.pop()
        for found in imports(name):
            if found in FILES and found not in seen:
                seen.add(found)
                pending.append(found)
    return seen


def run_python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, cwd=REPOSITORY, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_core_imports_with_no_chemistry_library_installed():
    core = [name for name in FILES if in_package(name, CORE_FILES + CORE_PACKAGES + CORE_MORE)]
    assert {"molgen.models.edm", "molgen.networks.egnn", "molgen.processes.gaussian", "molgen.checkpoint"} <= set(core)
    code = f"""
import importlib, sys
blocked = {CHEMISTRY_LIBRARIES!r}
class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ImportError("the core may not import " + name)
sys.meta_path.insert(0, Wall())
for name in {core!r}:
    importlib.import_module(name)
print(sorted(name for name in sys.modules if name in blocked))
"""
    assert run_python(code).strip() == "[]"


def test_models_networks_and_processes_know_no_chemistry_even_inside_functions():
    for name in FILES:
        if in_package(name, (*CORE_PACKAGES, "denoiser", "batch", "randomness")):
            heads = {found.partition(".")[0] for found in imports(name)}
            assert not heads & set(CHEMISTRY_LIBRARIES), name


@pytest.mark.parametrize("name", [n for n in FILES if in_package(n, ("chemistry", "scoring"))])
def test_chemistry_and_scoring_know_no_model(name):
    assert not [found for found in reached(name) | imports(name) if in_package(found, MODEL_PARTS)]


@pytest.mark.parametrize("name", [n for n in FILES if in_package(n, ("networks", "processes", "geometry"))])
def test_networks_and_processes_know_no_model(name):
    above = ("models", "denoiser", "sampling", "training", "datasets", "checkpoint", "config", "cli")
    assert not [found for found in reached(name) | imports(name) if in_package(found, above)]


def test_typer_and_rich_stay_in_the_command_line():
    users = {n for n in FILES if {f.partition(".")[0] for f in imports(n)} & {"typer", "rich", "click"}}
    assert users
    assert [name for name in users if not in_package(name, ("cli",))] == []


def test_the_library_does_not_import_the_command_line():
    users = {n for n in FILES if any(in_package(found, ("cli",)) for found in imports(n))}
    assert [name for name in users if not in_package(name, ("cli",))] in ([], ["molgen.__main__"])


def test_no_pickle():
    for name, path in FILES.items():
        assert not {f.partition(".")[0] for f in imports(name)} & {"pickle", "dill", "cloudpickle"}, name
        assert "allow_pickle=True" not in path.read_text(encoding="utf-8"), name


def test_files_are_short_and_say_what_they_are():
    for folder in ("molgen", "tests", "scripts"):
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            lines = path.read_text(encoding="utf-8").splitlines()
            assert len(lines) <= 500, f"{path} has {len(lines)} lines"
            assert path.stem not in ("utils", "util", "helpers", "misc", "common"), path


def test_help_imports_nothing_heavy():
    """What costs the time before `molgen --help` answers is imports; none of these is needed for it."""
    code = """
import json, sys
from molgen.cli.app import app
try:
    app(["--help"])
except SystemExit:
    pass
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""
    loaded = set(json.loads(run_python(code).splitlines()[-1]))
    heavy = {"torch", "numpy", "scipy", "omegaconf", "safetensors", "pooch", "joblib", "pandas", *CHEMISTRY_LIBRARIES}
    assert not loaded & heavy
