"""The measures of the house, on a small one."""

from __future__ import annotations

from pathlib import Path

from tools.shape import LIMITS, PACKAGE, measure, troubles


def house(folder: Path, files: dict[str, str]) -> Path:
    root = folder / "house"
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_a_class_is_measured_with_its_bases(tmp_path: Path) -> None:
    made = measure(
        house(
            tmp_path,
            {
                "a.py": "class A:\n    def x(self): ...\n    def y(self): ...\n",
                "b.py": "from house.a import A\n\n\nclass B(A):\n    def y(self): ...\n    def z(self): ...\n",
                "c.py": "from house.b import B as Base\n\n\nclass C(Base):\n    async def w(self): ...\n",
            },
        )
    )
    assert made.largest == (5, "house.c.C")
    assert made.deepest == (3, "house.c.C")


def test_names_folders_and_lengths_are_counted(tmp_path: Path) -> None:
    files = {
        "__init__.py": "",
        "a.py": "class A: ...\n",
        "b.py": "class A: ...\nclass Options: ...\n",
        "c.py": "class Options: ...\n",
    }
    made = measure(house(tmp_path, {**files, "sub/__init__.py": "", "sub/d.py": "x = 1\n" * 7}))
    assert made.doubles == {"A": ["house/a.py", "house/b.py"]}
    assert made.fullest == (4, "house")
    assert made.longest == (7, "house/sub/d.py")
    assert (made.files, made.lines) == (4, 11)


def test_the_package_is_within_its_limits() -> None:
    assert troubles(measure(PACKAGE)) == []


def test_what_is_past_a_limit_is_told_with_its_place(tmp_path: Path) -> None:
    many = {f"m{number}.py": "" for number in range(LIMITS["fullest"] + 1)}
    deep = "class A: ...\nclass B(A): ...\nclass C(B): ...\nclass D(C): ...\n"
    told = troubles(measure(house(tmp_path, {**many, "m0.py": deep})))
    assert told == ["fullest: 26, at most 25  house", "deepest: 4, at most 3  house.m0.D"]
