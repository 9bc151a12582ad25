"""Runs an Ansible module in a fork of the process that is there, where the stock executor starts an interpreter of its own.

Everything that a module does to its process (it exits, writes to standard output, changes the environment or the directory,
crashes) ends with the fork. What it says comes back as the text that an interpreter would have written.
"""

import atexit
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import IO, Any, NoReturn

from ansible.module_utils import _internal, basic
from ansible.module_utils._internal._ansiballz._loader import _handle_exception


@dataclass(frozen=True)
class Module:
    """A module that is to run.

    Attributes:
        name: full name in Python, or the plain name of a module that belongs to no package.
        path: of its file.
    """

    name: str
    path: str


def run(module: Module, arguments: bytes, profile: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """Runs a module and returns `rc`, `stdout` and `stderr`, as a connection returns those of a command.

    `arguments` is the JSON that AnsibleModule reads, in the form named by `profile`. `environment` comes on top of this
    process's own. A module that a signal ends has that signal's negative number as `rc`. What interrupts the wait (Ansible's
    timeout of a task is an exception) ends the module.
    """
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if child == 0:
            _be_the_module(lambda: _exit_code(module, arguments, profile), environment, (stdout, stderr))
        try:
            _, status = os.waitpid(child, 0)
        except BaseException:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise
        code = os.waitstatus_to_exitcode(status)
        said, complained = _text(stdout), _text(stderr)
    if code < 0:
        complained += f"The module was ended by signal {signal.Signals(-code).name}.\n"
    lines = {"stdout_lines": said.splitlines(), "stderr_lines": complained.splitlines()}
    return {"rc": code, "stdout": said, "stderr": complained, **lines}


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="surrogateescape")


def _be_the_module(work: Callable[[], int], environment: Mapping[str, str], outputs: tuple[IO[bytes], IO[bytes]]) -> NoReturn:
    """Does `work` and ends with what it returns; this process never comes back to Ansible's code, whatever happens."""
    code = 1
    try:
        atexit._clear()  # what the controller wants to do at its end is not for this process
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
            signal.signal(number, signal.SIG_DFL)
        with Path(os.devnull).open("rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        for descriptor, output in enumerate(outputs, start=1):
            os.dup2(output.fileno(), descriptor)
        sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
        os.environ.update(environment)
        _internal.is_controller = False
        code = work()
        atexit._run_exitfuncs()  # AnsibleModule removes its temporary directory then
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _exit_code(module: Module, arguments: bytes, profile: str) -> int:
    """Runs the module as a script, as Ansible's wrapper does, and returns its exit status."""
    basic._ANSIBLE_ARGS, basic._ANSIBLE_PROFILE = arguments, profile
    own = {"_module_fqn": module.name, "_modlib_path": None}
    try:
        try:
            code = SourceFileLoader(module.name, module.path).get_code(module.name)
            assert code is not None, module.path  # noqa: S101 - None is for modules without a source
            main = sys.modules["__main__"] = ModuleType("__main__")
            vars(main).update(own, __file__=module.path, __package__=module.name.rpartition(".")[0])
            exec(code, vars(main))  # noqa: S102 - what runpy does with a script, but for compiling it each time
            raise RuntimeError("New-style module did not handle its own exit.")
        except Exception as problem:
            _handle_exception(problem, profile)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    raise RuntimeError("A module that has failed ends its process.")
