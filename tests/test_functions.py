"""The statistics of functions count what they say."""

from __future__ import annotations

import pytest

from functions import Function, functions_of, report

CODE = '''
def plain(
    a,
    b,
):
    """One sentence.

    And another.
    """
    # Why.

    return [
        a,
        b,
    ]


def nested(a):
    if a:
        for b in a:
            if b: pass
            elif a: pass
            else:
                with b: pass
    def inner():
        while True:
            pass
'''


def test_lines_and_depth() -> None:
    assert list(functions_of(CODE, "a.py")) == [
        Function("a.py:2 plain", 4, 0),
        Function("a.py:18 nested", 9, 4),
        Function("a.py:25 inner", 2, 1),
    ]


@pytest.mark.parametrize(("body", "depth"), [
    ("if a: pass\n elif b: pass\n elif c: pass", 1),
    ("if a: pass\n else:\n  if b: pass\n  b", 2),
    ("try:\n  with a: pass\n except E:\n  for b in c:\n   while b: pass", 3),
])  # fmt: skip
def test_depth(body: str, depth: int) -> None:
    (found,) = functions_of(f"def f(a, b, c):\n {body}\n", "a.py")
    assert found.depth == depth


def test_report() -> None:
    text = report([Function("a", 1, 0), Function("b", 30, 1), Function("c", 4, 2)])
    assert text == (
        "3 functions, 35 lines\nmedian 4 lines, over 25 lines: 1\nlongest 30: b\ndeepest 2: c"
    )
