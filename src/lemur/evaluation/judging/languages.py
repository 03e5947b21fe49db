"""The 18 languages of MultiPL-E: how to run a program in the sandbox, and an example that tests the toolchain.

The commands follow MultiPL-E (evaluation/src/eval_*.py) with Debian's compilers: mcs for csc, ldc2 for rdmd. A program
passes if its commands exit with status 0 and their output does not match `failure_pattern`.
"""

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lemur import sandbox
from lemur.core import workers

FOLDERS = "/usr/bin:/bin"
"""Where to look for compilers, besides `bin/` of each folder in LEMUR_TOOLCHAINS (separated by colons)."""
READABLE = ("/etc/R", "/etc/java-17-openjdk", "/etc/ldc2.conf", "/etc/mono", "/etc/php", "/etc/racket", "/etc/scala")
JAVATUPLES = "/usr/share/java/javatuples.jar"
Status = Literal["passed", "failed", "timed_out"]


@dataclass(frozen=True)
class Language:
    """`file`: the program's file name. `commands`: run one after the other. `example`: a program that passes; with its
    first + changed to - it fails."""

    title: str
    file: str
    commands: tuple[str, ...]
    example: str
    failure_pattern: str = "$^"
    version: str = "--version"

    @property
    def needs(self) -> str:
        """The first executable it needs; settings of environment variables do not count."""
        return next(word for word in self.commands[0].split() if "=" not in word)


@dataclass(frozen=True)
class Run:
    status: Status
    detail: str
    cpu_s: float


GO = "GOCACHE=/tmp/go GO111MODULE=off GOFLAGS=-p=1"
LANGUAGES = {
    "cpp": Language(
        "C++",
        "program.cpp",
        ("g++ program.cpp -o program -std=c++17", "./program"),
        "#include<assert.h>\nlong add(long x, long y) { return x + y; }\nint main() { assert(add(2, 3) == 5); }",
    ),
    "cs": Language(
        "C#",
        "program.cs",
        ("mcs -d:DEBUG -r:System.Numerics.dll program.cs", "MONO_TRACE_LISTENER=Console.Error mono program.exe"),
        "using System.Diagnostics;\nclass Problem {\n static long Add(long x, long y) { return x + y; }\n"
        " static void Main(string[] args) { Debug.Assert(Add(2L, 3L) == 5L); }\n}",
        failure_pattern="Fail",
    ),
    "d": Language(
        "D",
        "program.d",
        ("ldc2 -unittest -main program.d -of=program", "./program"),
        "long add(long x, long y) { return x + y; }\nunittest { assert(add(2L, 3L) == 5L); }",
    ),
    "go": Language(
        "Go",
        "program_test.go",
        (f"{GO} go test program_test.go",),
        'package add_test\nimport "testing"\nfunc add(x int, y int) int { return x + y }\n'
        'func TestAdd(t *testing.T) { if add(2, 3) != 5 { t.Errorf("no") } }',
        failure_pattern="FAIL|build failed|setup failed",
        version="version",
    ),
    "java": Language(
        "Java",
        "Problem.java",
        (f"javac -encoding UTF8 -cp {JAVATUPLES} Problem.java", f"java -ea -cp .:{JAVATUPLES} Problem"),
        "import org.javatuples.*;\nclass Problem {\n static long add(long x, long y) { return x + y; }\n"
        " public static void main(String[] args) { assert(add(2l, 3l) == 5l); }\n}",
    ),
    "jl": Language(
        "Julia",
        "program.jl",
        ("julia program.jl",),
        "function add(x::Int64, y::Int64)::Int64\n    x + y\nend\n"
        "using Test\n@testset begin\n@test(add(2, 3) == 5)\nend",
    ),
    "js": Language(
        "JavaScript",
        "program.js",
        ("node program.js",),
        "function add(x, y) { return x + y }\nrequire('node:assert').deepEqual(add(2, 3), 5)",
    ),
    "lua": Language(
        "Lua",
        "program.lua",
        ("lua5.3 program.lua",),
        "local function add(x, y) return x + y end\nlu = require('luaunit')\n"
        "function test_add() lu.assertEquals(add(2, 3), 5) end\nos.exit(lu.LuaUnit.run())",
        version="-v",
    ),
    "php": Language(
        "PHP",
        "program.php",
        ("php program.php",),
        '<?php\nfunction add($x, $y) { return $x + $y; }\nif (add(2, 3) !== 5) { throw new Exception("no"); }',
        failure_pattern="PHP Parse error",
    ),
    "pl": Language(
        "Perl",
        "program.pl",
        ("perl program.pl",),
        "sub add { my($x, $y) = @_; $x + $y; }\nuse Test::Deep;\neq_deeply(add(2, 3), 5) or exit 1;",
        failure_pattern="ERROR",
    ),
    "r": Language(
        "R",
        "program.r",
        ("Rscript program.r",),
        "add <- function(x, y) x + y\nstopifnot(isTRUE(all.equal(add(2, 3), 5)))",
    ),
    "rb": Language(
        "Ruby",
        "program.rb",
        ("ruby program.rb",),
        "def add(x, y)\n  x + y\nend\nrequire 'test/unit'\nclass TestAdd < Test::Unit::TestCase\n"
        "  def test_add\n    assert_equal(5, add(2, 3))\n  end\nend",
    ),
    "rkt": Language(
        "Racket",
        "program.rkt",
        ("racket program.rkt",),
        "#lang racket\n(define (add x y) (+ x y))\n(require rackunit)\n(check-within (add 2 3) 5 0.001)",
        failure_pattern="(?s).*stderr:.",
    ),
    "rs": Language(
        "Rust",
        "program.rs",
        ("rustc program.rs -o program", "./program"),
        "fn add(x: isize, y: isize) -> isize { x + y }\nfn main() { assert_eq!(add(2, 3), 5); }",
    ),
    "scala": Language(
        "Scala",
        "program.scala",
        ("scalac -d . program.scala", "scala -cp . Problem"),
        "object Problem {\n def add(x : Long, y : Long) : Long = x + y\n"
        " def main(args: Array[String]) = { assert(add(2l, 3l) == 5l) }\n}",
        failure_pattern="(?s).*stderr:.",
    ),
    "sh": Language(
        "Bash",
        "program.sh",
        ("bash program.sh",),
        "add() {\n    echo $(( $1 + $2 ))\n}\nset -e\n[[ $(add 2 3) = 5 ]]",
    ),
    "swift": Language(
        "Swift",
        "program.swift",
        ("swiftc program.swift -o program", "./program"),
        "func add(x: Int, y: Int) -> Int { return x + y }\nassert(add(x: 2, y: 3) == 5)",
    ),
    "ts": Language(
        "TypeScript",
        "program.ts",
        ("tsc --target es2021 program.ts", "node program.js"),
        "function add(x: number, y: number): number { return x + y }\ndeclare var require: any;\n"
        "require('node:assert').deepEqual(add(2, 3), 5);",
    ),
}


def toolchain_folders() -> list[Path]:
    """Folders of the user's own toolchains, such as an unpacked Julia."""
    return [Path(folder).resolve() for folder in os.environ.get("LEMUR_TOOLCHAINS", "").split(":") if folder]


def _path() -> str:
    return ":".join([FOLDERS, *(f"{folder}/bin" for folder in toolchain_folders())])


def why_missing(name: str, *, timeout_s: int, memory_mb: int) -> str | None:
    """Why programs in this language cannot run here, or `None`."""
    language = LANGUAGES[name]
    if shutil.which(language.needs, path=_path()) is None:
        return f"{language.needs} is not installed (make toolchains)"
    if run(name, [language.example], timeout_s=timeout_s, memory_mb=memory_mb)[0].status != "passed":
        layers = sandbox.layers()
        lacks = f", which gives no {'; no '.join(layers.missing)}" if layers.missing else ""
        return (
            f"{language.needs} is installed, but a right program fails in the sandbox "
            f"(layer {layers.mechanism}{lacks}; docs/evaluation.md)"
        )
    return None


def version(name: str) -> str:
    """The first line of the version that the language's compiler or interpreter prints."""
    done = sandbox.run(
        ["/bin/sh", "-c", f"PATH={_path()} {LANGUAGES[name].needs} {LANGUAGES[name].version}"], readable=READABLE
    )
    return next((line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()), "")


def run(
    name: str, programs: Sequence[str], *, names: Sequence[str] | None = None, timeout_s: int, memory_mb: int
) -> list[Run]:
    """Verdicts in the order of `programs`. Runs as many at once as this stage has workers; a program that times out
    runs again, alone and with a longer limit. `timeout_s`: CPU seconds of each process of a program."""
    return sandbox.judge_all(
        programs,
        lambda program, seconds: _run(LANGUAGES[name], program, seconds, memory_mb),
        names=names,
        timeout_s=timeout_s,
        at_once=workers.count(),
    )


def _run(language: Language, program: str, timeout_s: int, memory_mb: int) -> Run:
    path = _path()
    if len(language.commands) == 1 and "=" not in language.commands[0]:
        argv = ["/usr/bin/env", f"PATH={path}", *language.commands[0].split()]
    else:
        argv = ["/bin/sh", "-c", " && ".join([f"export PATH={path} TMPDIR=/tmp", *language.commands])]
    done = sandbox.run(
        argv,
        files={language.file: program.encode(errors="replace")},
        readable=[*READABLE, *map(str, toolchain_folders())],
        limits=sandbox.Limits(cpu_s=timeout_s, memory_mb=memory_mb, processes=256, scratch_mb=512, file_mb=256),
    )
    output = f"stdout:{done.stdout}\nstderr:{done.stderr}"
    if done.returncode == 0 and not re.search(language.failure_pattern, output):
        return Run("passed", "", done.cpu_s)
    if sandbox.out_of_time(done, timeout_s):
        return Run("timed_out", f"more than {timeout_s} s", done.cpu_s)
    return Run("failed", f"exit status {done.returncode}", done.cpu_s)
