"""Runs inside the sandbox, as `python -c`: calls a function that a model wrote, or compares values.

These are jobs of two processes: one that runs a model's code has no expected value, one that compares runs no code.
This file imports nothing of lemur. It reads {nonce, job, ...} as JSON from the private pipe, and writes to it a
line "<nonce> ready" and then "<nonce> <answer as JSON>".
"""

import ast
import contextlib
import json
import os
import random
import re
import sys
import traceback
import types
import warnings
from typing import Any

import numpy as np
import shapely
from shapely.geometry import LinearRing, LineString, MultiPolygon, Point, Polygon
from shapely.geometry.base import BaseGeometry

MOST = 20_000
"""Numbers of a returned array, items of a list and bytes of a text that are compared; the references have under 200."""
ANSWER_BYTES = 4_000_000
ERROR_CHARACTERS = 4000
SHAPES = {"LineString": LineString, "LinearRing": LinearRing, "Point": Point, "Polygon": Polygon}
LIBRARIES = os.environ["PYTHONPATH"]
OTHER = {"type": "object"}
"""A value that equals none."""
STRICT_KINDS = {"b": "b", "i": "iu", "f": "fiu"}
"""By the kind of the expected numbers (bool, int, float): the kinds that can equal them."""
CIRCLES_DIFFER = 0.005
"""Share of the expected area by which a shape may differ. Two polygons of 64 or more corners on one circle differ by
less; the reference's circle has 64."""


def decode(value: dict[str, Any]) -> Any:
    """The value that `value` describes: {type, value}. Raises `TypeError` for `OTHER`."""
    kind = value["type"]
    content: Any = value.get("value")
    if kind in ("list", "tuple"):
        return (list if kind == "list" else tuple)(map(decode, content))
    if kind == "ndarray":
        array = np.array(content)
        return array.reshape(value["shape"]) if "shape" in value else array
    if kind == "geometry":
        geometry = shapely.from_wkb(content)
        return LinearRing(geometry.coords) if value["ring"] else geometry
    if kind in SHAPES:
        return SHAPES[kind](content)
    if kind == "object":
        raise TypeError("the value cannot be compared")
    return content


def encode(value: Any) -> dict[str, Any]:
    """A returned value as {type, value}; `OTHER` for what is no number, text, array, list or geometry."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool):
        return {"type": "bool" if isinstance(value, bool) else "NoneType", "value": value}
    if isinstance(value, int):
        return {"type": "int", "value": int(value)} if value.bit_length() < 64 else OTHER
    if isinstance(value, float):
        return {"type": "float", "value": float(value)}
    if isinstance(value, str):
        return {"type": "str", "value": value} if len(value) <= MOST else OTHER
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return {"type": kind, "value": [encode(each) for each in value]} if len(value) <= MOST else OTHER
    if isinstance(value, BaseGeometry):
        if shapely.get_num_coordinates(value) > MOST:
            return OTHER
        # WKB knows no rings: it writes them as lines.
        ring = isinstance(value, LinearRing)
        return {"type": "geometry", "value": shapely.to_wkb(value, hex=True), "ring": ring}
    array = np.asarray(value)
    if array.dtype.kind not in "biuf" or array.size > MOST:
        return OTHER
    return {"type": "ndarray", "value": array.tolist(), "shape": array.shape}


def call(job: dict[str, Any]) -> dict[str, Any]:
    """{values}: what job["name"] of job["code"] returns for each of job["inputs"]; or {error}: what it raised.

    job["separate"]: run the code as the original's `exec_safe` does, with a namespace of its own behind that of the
    definitions, in which its functions cannot see one another, and without exec and eval."""
    random.seed(0)
    np.random.seed(0)
    namespace = _definitions(job["definitions"], job["object_points"])
    own = {} if job["separate"] else namespace
    if job["separate"]:
        namespace |= dict.fromkeys(("exec", "eval"), lambda *args, **kwargs: None)
    values = []
    try:
        exec(compile(job["code"], "answer.py", "exec"), namespace, own)
        if job["name"] not in own:
            raise NameError(f"the code does not define {job['name']}")
        for inputs in job["inputs"]:
            returned = own[job["name"]](*map(decode, inputs))
            try:
                values.append(encode(returned))
            except Exception:
                values.append(OTHER)
    except BaseException as error:
        return {"error": _describe(error, job["code"])}
    return {"values": values}


def _definitions(program: str, object_points: dict[str, Any]) -> dict[str, Any]:
    """The imports and functions of the few-shot prompt; its examples call functions that nothing defines."""
    points = {name: np.array(corners) for name, corners in object_points.items()}
    utils = types.ModuleType("utils")
    utils.get_obj_outer_pts_np = lambda obj_name: points[obj_name].copy()  # type: ignore[attr-defined]
    sys.modules["utils"] = utils
    tree = ast.parse(program)
    tree.body = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef)]
    namespace: dict[str, Any] = {"__name__": "__main__", "get_obj_outer_pts_np": utils.get_obj_outer_pts_np}
    exec(compile(tree, "prompt.py", "exec"), namespace)
    return namespace


def _describe(error: BaseException, code: str) -> str:
    """As Python's traceback, with the frames of the answer alone: those of libraries differ between versions."""
    lines = code.splitlines()
    text = ""
    for frame, number in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename == "answer.py" and 0 < number <= len(lines):
            text += f'  File "answer.py", line {number}, in {frame.f_code.co_name}\n    {lines[number - 1].strip()}\n'
            text = text[-ERROR_CHARACTERS:]
    try:
        last = "".join(traceback.format_exception_only(error)).rstrip("\n")
    except BaseException:
        last = type(error).__name__
    # Addresses differ from run to run, and the libraries' folder between sandboxes.
    text = re.sub(r"0x[0-9a-f]+", "0x", f"{text}{last[-ERROR_CHARACTERS:]}").replace(LIBRARIES, "/libraries")
    return text.encode("utf-8", "replace").decode()


def compare(job: dict[str, Any]) -> list[dict[str, bool]]:
    """The verdict on each [equality, expected, returned] of job["pairs"], by rule."""
    return [{"paper": _holds(_paper, *pair), "strict": _holds(_strict, *pair)} for pair in job["pairs"]]


def _holds(equal: Any, equality: str, expected: dict[str, Any], returned: dict[str, Any]) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return bool(equal(equality, decode(expected), decode(returned)))
    except Exception:  # as in the original, what cannot be compared is wrong
        return False


def _paper(equality: str, expected: Any, returned: Any) -> Any:
    if equality == "eq":
        return expected == returned
    if equality == "shape_eq":  # the third argument is the relative tolerance
        return np.allclose(expected.union(returned).area, expected.area, returned.area)
    return np.allclose(expected, returned)


def _strict(equality: str, expected: Any, returned: Any) -> Any:
    if equality == "eq":
        return type(expected) is type(returned) and expected == returned
    if equality == "shape_eq":
        if not isinstance(returned, Polygon | MultiPolygon):
            return False
        return expected.symmetric_difference(returned).area <= CIRCLES_DIFFER * expected.area
    wanted, array = np.asarray(expected), np.asarray(returned)
    if wanted.shape != array.shape or array.dtype.kind not in STRICT_KINDS[wanted.dtype.kind]:
        return False
    return np.allclose(wanted, array) if wanted.dtype.kind == "f" else np.array_equal(wanted, array)


def main() -> None:
    with open(int(os.environ.pop("LEMUR_PRIVATE_IN")), "rb") as file:
        job = json.load(file)
    channel, process, nonce = int(os.environ.pop("LEMUR_PRIVATE_OUT")), os.getpid(), job.pop("nonce")
    dumps, write, leave, own_id = json.dumps, os.write, os._exit, os.getpid
    write(channel, f"{nonce} ready\n".encode())
    answer = call(job) if job["job"] == "call" else compare(job)
    data = f"{nonce} {dumps(answer)}".encode(errors="replace")
    if len(data) > ANSWER_BYTES:
        data = f"{nonce} {dumps({'values': [OTHER] * len(job['inputs'])})}".encode()
    if own_id() == process:  # a forked child also gets here
        while data:
            data = data[write(channel, data) :]
    # Neither a thread that never ends nor a handler of the model's may keep the process.
    with contextlib.suppress(BaseException):
        leave(0)


if __name__ == "__main__":
    main()
