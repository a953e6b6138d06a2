"""Build the web fonts Inter and JetBrains Mono from installed packages, reduced to Latin and the weights that we use.

Run once at set-up (``manage.py fonts``); the files are kept until a package changes. If a package is missing, pages use
system fonts instead.
"""

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import Final

from fontTools.subset import Options, Subsetter  # type: ignore[import-untyped]  # fontTools has no types
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]  # nor here
from fontTools.varLib.instancer import instantiateVariableFont  # type: ignore[import-untyped]  # nor here

SHEET: Final = "fonts.css"
# Basic Latin to Latin Extended-A, and the punctuation, arrows and signs that pages use.
SIGNS: Final = (0x20AC, 0x2122, 0x2212, 0x2248, 0x2260, 0x2264, 0x2265, 0x2318, 0x25CF, 0x2713)
UNICODES: Final = [*range(0x20, 0x180), *range(0x2010, 0x2040), *range(0x2190, 0x2194), *SIGNS]
RECIPE: Final = 1  # increase it when the subset changes, so that old files are rebuilt


@dataclass(frozen=True)
class Family:
    """One font: its source, and the parts of it to keep."""

    name: str
    package: str
    path: str
    axes: dict[str, tuple[int, int] | int]
    features: tuple[str, ...]

    @property
    def module(self) -> str:
        """Return the package's import name."""
        return self.package.replace("-", "_")

    def file_name(self) -> str:
        """Return the file's name, which includes the source's version; raise PackageNotFoundError."""
        return f"{self.name.lower().replace(' ', '-')}-{version(self.package)}-{RECIPE}.woff2"


FAMILIES: Final = (
    Family(
        "Inter",
        "fontpkg-inter",
        "files/Inter[opsz,wght].ttf",
        {"opsz": 14, "wght": (400, 700)},
        ("kern", "liga", "calt", "ccmp", "locl", "mark", "mkmk", "tnum", "zero", "cv05", "cv08", "ss03"),
    ),
    Family(
        "JetBrains Mono",
        "fontpkg-jetbrains-mono",
        "files/JetBrainsMono[wght].ttf",
        {"wght": (400, 700)},
        ("ccmp", "locl", "mark", "mkmk", "zero"),
    ),
)


def build_fonts(target: Path) -> list[str]:
    """Build the missing fonts in ``target``; return the names of the families that pages can use."""
    target.mkdir(parents=True, exist_ok=True)
    rules, names = [], []
    for family in FAMILIES:
        try:
            file_name = family.file_name()
        except PackageNotFoundError:
            continue
        if not (target / file_name).exists():
            _cut(family, target / file_name)
        licence = f"{file_name.removesuffix('.woff2')}-OFL.txt"
        (target / licence).write_bytes((files(family.module) / "LICENSE").read_bytes())
        rules.append(_rule(family, file_name, licence))
        names.append(family.name)
    (target / SHEET).write_text("\n".join(rules))
    return names


def _cut(family: Family, path: Path) -> None:
    with (files(family.module) / family.path).open("rb") as source:
        font = TTFont(source)
        options = Options(flavor="woff2", layout_features=list(family.features), notdef_outline=True, hinting=False)
        subsetter = Subsetter(options)
        subsetter.populate(unicodes=UNICODES)
        subsetter.subset(font)
        font = instantiateVariableFont(font, family.axes)
        font.flavor = "woff2"
        draft = path.with_suffix(".draft")
        font.save(draft)
    draft.replace(path)


def _rule(family: Family, file_name: str, licence: str) -> str:
    return (
        f"/* {family.name}, SIL Open Font License 1.1: {licence} */\n"
        f'@font-face {{ font-family: "{family.name}"; font-weight: 400 700; font-style: normal; font-display: swap; '
        f'src: url("{file_name}") format("woff2"); }}\n'
    )
