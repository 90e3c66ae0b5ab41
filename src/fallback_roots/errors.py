"""Tier 3: the few errors that the functions of the public API raise; imports nothing. The hook raises none of them."""


class FallbackRootsError(Exception):
    """Base of all errors of this package."""


class SettingsError(FallbackRootsError):
    """The settings cannot be known: `problems` is a tuple of sentences, each with place, what was found and expected."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class SourceError(FallbackRootsError):
    """No chosen source of roots gave a certificate: `problems` is a tuple of sentences, one for each broken source."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems
