"""Secrets, masked by type: their text form never shows them."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import core_schema

MASK = "********"


class Secret:
    """A text that shows itself as asterisks everywhere but in `reveal`.

    Every secret made is known to the process-wide masker, so that it is also masked where it comes
    back in somebody else's output.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        MASKER.learn(value)

    def reveal(self) -> str:
        """The text itself; call it only where it leaves for the machine that needs it."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            lambda v: v if isinstance(v, Secret) else cls(str(v)),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda _: MASK),
        )


class Masker:
    """Replaces every known secret in a text."""

    # Shorter texts would mask ordinary words; throw-away box passwords ("vagrant") are no secrets.
    _SHORTEST = 6
    _HARMLESS = frozenset({"vagrant"})

    def __init__(self, known: Iterable[str] = ()) -> None:
        self._lock = threading.Lock()
        self._known: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        for value in known:
            self.learn(value)

    def learn(self, value: str) -> None:
        """Mask this text from now on."""
        if len(value) < self._SHORTEST or value in self._HARMLESS:
            return
        with self._lock:
            if value not in self._known:
                self._known.add(value)
                ordered = sorted(self._known, key=len, reverse=True)
                self._pattern = re.compile("|".join(re.escape(v) for v in ordered))

    def __call__(self, text: str) -> str:
        """The text with every known secret masked."""
        pattern = self._pattern
        return pattern.sub(MASK, text) if pattern else text


MASKER = Masker()
