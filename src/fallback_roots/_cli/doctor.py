"""Tier 4: ``fallback-roots doctor``; imports what gathers the facts, what judges and what renders them.

What lives here: the order of these, and the exit code.
"""

import argparse

from . import _report
from ._called import as_called
from ._facts import gather
from ._judge import judge
from ._suggestions import suggest
from ._text import coloured, item, marked, say, say_json, suggested


def run(options: argparse.Namespace) -> int:
    """Print the report; 0 when a default context ends up with roots, else 1; 3 where they do and --strict wants more."""
    facts = gather()
    finding = judge(facts)
    suggestions = as_called(suggest(facts, finding))
    code = finding.exit_code(options.strict)
    if options.json:
        say_json(_report.as_json(facts, finding, suggestions, code))
        return code
    kind = "bad" if not finding.has_roots else "warning" if finding.attention else "good"
    verdict = [coloured(line, kind) for line in item(finding.sentence)]
    attention = [line for sentence in finding.attention for line in marked("!", f"{sentence}", 2)]
    say("\n".join([*_report.render(facts), "", *verdict, *attention, *suggested(suggestions)]))
    return code
