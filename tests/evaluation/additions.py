"""Completions of HumanEval 53 in MultiPL-E, "Add two numbers x and y", up to each language's stop string."""

PROBLEM = "HumanEval_53_"
ADDITION = {
    "cpp": "    return x + y;",
    "cs": "        return x + y;",
    "d": "{\n    return x + y;\n}",
    "go": "    return x + y\n}",
    "java": "        return x + y;",
    "jl": "    x + y\nend",
    "js": "    return x + y;\n}",
    "lua": "    return x + y\nend",
    "php": "    return $x + $y;\n}",
    "pl": "    return $x + $y;\n}",
    "r": "\n    x + y\n}",
    "rb": "    x + y\nend",
    "rkt": "  (+ x y))",
    "rs": "    x + y",
    "scala": "        x + y",
    "sh": "    echo $(( $1 + $2 ))",
    "swift": "    return x + y",
    "ts": "    return x + y;\n}",
}
