"""The pages hang together: every link leads somewhere, and every page is reached."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.docs.pages import PAGES, ROOT, anchors, links, name_of

INDEX = ROOT / "docs" / "index.md"


def target_of(page: Path, link: str) -> tuple[Path, str]:
    """The file a link within the project leads to, and the anchor in it."""
    path, _, anchor = link.partition("#")
    return (page.parent / path).resolve() if path else page, anchor


def inner_links(page: Path) -> list[str]:
    return [link for link in links(page) if not urlsplit(link).scheme]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    """To a file of the project and, with `#`, to a heading in it."""
    for link in inner_links(page):
        target, anchor = target_of(page, link)
        assert target.is_relative_to(ROOT), link
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_is_reached_from_the_index() -> None:
    """A page nobody can find is not documentation."""
    reached, open_pages = {INDEX}, [INDEX]
    while open_pages:
        page = open_pages.pop()
        for link in inner_links(page):
            target, _ = target_of(page, link)
            if target.suffix == ".md" and target not in reached and target.exists():
                reached.add(target)
                open_pages.append(target)
    assert [name_of(page) for page in PAGES if page not in reached] == []


def test_the_readme_leads_to_the_index() -> None:
    """From the front page to everything."""
    assert any(target_of(ROOT / "README.md", link)[0] == INDEX for link in inner_links(ROOT / "README.md"))
