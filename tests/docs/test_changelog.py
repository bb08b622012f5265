"""The fragments of the change log are ones the tool will find."""

import re
import tomllib

from tests.docs.pages import ROOT

FRAGMENT = re.compile(r"(?:\d+|\+[a-z0-9-]+)\.([a-z]+)\.md")


def test_every_fragment_has_a_type_that_is_configured_and_says_something() -> None:
    """A misnamed one would be left out of the release notes without a word."""
    configured = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["towncrier"]
    types = {kind["directory"] for kind in configured["type"]}
    fragments = sorted((ROOT / configured["directory"]).iterdir())
    assert fragments
    for fragment in fragments:
        named = FRAGMENT.fullmatch(fragment.name)
        assert named is not None, fragment.name
        assert named[1] in types, fragment.name
        assert fragment.read_text("utf-8").strip().endswith("."), fragment.name


def test_the_change_log_has_the_line_new_releases_go_below() -> None:
    """Without it a release would be written at the end."""
    configured = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["towncrier"]
    assert configured["start_string"] in (ROOT / configured["filename"]).read_text("utf-8")
