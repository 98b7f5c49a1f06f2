"""Names of variables that look like a setting and are none, and the setting that was meant."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from dotenv.parser import parse_stream

from schemas.errors import SettingsError

PREFIX: Final = "TICKETSTREAM_"
OTHER_VARIABLES: Final = frozenset((f"{PREFIX}CACHE_DIR",))
"""Variables of ours that are no settings: they are read from the environment alone."""
Names = Mapping[str, list[str]]
"""Settings without their prefix: for each group its fields, under "" those in none."""

_OURS: Final = PREFIX.replace("_", "")
_OF_KUBERNETES: Final = re.compile(r".*_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)")
_ADDRESS: Final = re.compile(r"(tcp|udp|sctp)://")
_CLOSE_ENOUGH: Final = 0.72


def check_names(values: Mapping[str, str | None], names: Names, *, where: str = "") -> None:
    """Raise SettingsError that names each variable which looks like a setting and would be ignored.

    ``where`` names the file they stand in; such a file is ours, so that a name without the prefix is meant
    for us too. Variables that are empty say nothing and are left alone, as are those that Kubernetes makes
    for a service called ticketstream.
    """
    wrong = []
    for name, value in values.items():
        if not value or name.upper() in OTHER_VARIABLES or _is_of_kubernetes(name, value):
            continue
        if (told := _fault(name, value, names, in_file=bool(where))) is not None:
            wrong.append(told + (f" (in {where})" if where else ""))
    if wrong:
        raise SettingsError("; ".join(wrong))


def check_dotenv(path: Path, names: Names) -> None:
    """Raise SettingsError for the lines of a ``.env`` that name a setting of ours and set nothing."""
    with path.open(encoding="utf-8-sig") as file:
        for line in parse_stream(file):
            text = line.original.string.strip()
            if line.error and any(word in text.upper() for word in (PREFIX, *_with_group(names))):
                raise SettingsError(
                    f"{path.absolute()} has a line that cannot be read, line {line.original.line}: write it "
                    f"as {PREFIX}NAME=value"
                )


def not_a_setting(variable: str, names: Names) -> str:
    """Return what to say of a variable that is no setting, with the one that was meant."""
    words = f"{variable} is not a setting of ticketstream"
    meant = _meant(variable, names)
    return f"{words}: {meant} is" if meant else f"{words}: see docs/settings.md"


def _fault(name: str, value: str, names: Names, *, in_file: bool) -> str | None:
    """Return what is wrong with a variable; None for a setting, and for what has nothing to do with us."""
    upper = name.upper()
    if upper.startswith(PREFIX):
        rest = upper.removeprefix(PREFIX)
        group, joined, field = rest.partition("__")
        if joined:
            return None if field in names.get(group, ()) else not_a_setting(name, names)
        if rest in names[""]:
            return None
        if rest and rest in names:
            return None if _is_document(value) else _whole_group(name, rest, names)
        return not_a_setting(name, names)
    if upper.replace("_", "").startswith(_OURS):
        return not_a_setting(name, names)
    group, joined, field = upper.partition("__")
    if joined and in_file and group in names:
        return not_a_setting(name, names)
    # A slip in the prefix, before what is a setting's name to the letter.
    for group, fields in names.items():
        for field in fields:
            before = upper.removesuffix(f"_{group}__{field}")
            if group and before != upper and difflib.SequenceMatcher(None, before, _OURS).ratio() > 0.8:
                return not_a_setting(name, names)
    return None


def _whole_group(name: str, group: str, names: Names) -> str:
    fields = ", ".join(f"{PREFIX}{group}__{field}" for field in names[group][:3])
    return f"{name} is a group of settings: set {fields} and so on, each by itself"


def _meant(variable: str, names: Names) -> str | None:
    every = [f"{group}__{field}" if group else field for group, fields in names.items() for field in fields]
    bare = _squeezed(variable)
    by_name = {name.replace("_", ""): name for name in every}
    fields = {name.rpartition("__")[2].replace("_", ""): name for name in every}
    if bare in by_name:
        return PREFIX + by_name[bare]
    close = difflib.get_close_matches(bare, by_name, 1, _CLOSE_ENOUGH)
    if close:
        return PREFIX + by_name[close[0]]
    ends = [name for field, name in fields.items() if bare.endswith(field) or field.endswith(bare)]
    return PREFIX + max(ends, key=len) if len(ends) == 1 else None


def _squeezed(variable: str) -> str:
    """Return a name without its prefix, a slip in that forgiven, and without underscores."""
    text = variable.upper().replace("_", "")
    if text.startswith(_OURS):
        return text.removeprefix(_OURS)
    first, _, rest = variable.upper().partition("_")
    is_prefix = difflib.SequenceMatcher(None, first, _OURS).ratio() > 0.8
    return (rest if is_prefix else variable.upper()).replace("_", "")


def _with_group(names: Names) -> list[str]:
    return [f"{group}__" for group in names if group]


def _is_document(value: str) -> bool:
    try:
        return isinstance(json.loads(value), dict)
    except ValueError:
        return False


def _is_of_kubernetes(name: str, value: str) -> bool:
    """Return whether Kubernetes made a variable: it does for every service, with the service's name first.

    Source: Kubernetes' documentation, "Service", environment variables.
    """
    upper = name.upper()
    if upper.endswith("_PORT") and not upper.endswith("SERVICE_PORT"):
        return _ADDRESS.match(value) is not None
    return _OF_KUBERNETES.fullmatch(upper) is not None
