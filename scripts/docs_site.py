"""MkDocs hook: the documentation site has pages for files outside of ``docs/`` that its pages link to.

README.md is the home page and benchmarks/README.md has a place in the navigation. Other linked files become pages in
``repository/``, so that every link works from a file system. The Mermaid and search scripts come from ``.docs/``, which
``make docs`` fills, so that no page needs another host.
"""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
PLACES = {"README.md": "index.md", "benchmarks/README.md": "benchmarks.md"}
SCRIPTS = ("mermaid.js", "iframe-worker.js")
LINK = re.compile(r"(?<=\]\()(?!https?:|mailto:)([^)#\s]+)")
_LANGUAGES = {".py": "python", ".yaml": "yaml", ".sh": "sh", ".toml": "toml"}
_NOT_SEARCHED = "---\nsearch: {exclude: true}\n---\n"


def site_path(source: str) -> str:
    """The path in the site of a file or folder, given its path in the repository."""
    if source.startswith("docs/"):
        return source.removeprefix("docs/")
    return PLACES.get(source) or f"repository/{source.removesuffix('.md')}.md"


def repository_path(page: str) -> str:
    """The reverse of :func:`site_path`."""
    for source, place in PLACES.items():
        if place == page:
            return source
    if not page.startswith("repository/"):
        return f"docs/{page}"
    source = page.removeprefix("repository/")
    return source if (ROOT / source).is_file() else source.removesuffix(".md")


def linked(source: str, text: str) -> dict[str, str]:
    """Files and folders of the repository that a page links to: the link, and the path in the repository."""
    resolved = {
        link: posixpath.normpath(posixpath.join(posixpath.dirname(source), link)) for link in LINK.findall(text)
    }
    return {link: path for link, path in resolved.items() if not path.startswith("..") and (ROOT / path).exists()}


def content(source: str) -> str:
    """The Markdown of a page: a Markdown file itself, another file as code, a folder as a list of its files."""
    path = ROOT / source
    if path.is_dir():
        names = sorted(child.name for child in path.iterdir() if child.is_file())
        linked_names = (f"[{name}]({path.name}/{name})" if name.endswith((".md", ".yaml")) else name for name in names)
        return f"# {source}\n\n" + "\n".join(f"- {name}" for name in linked_names)
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return text
    fence = "`" * 6
    return f"{_NOT_SEARCHED}# {source}\n\n{fence}{_LANGUAGES.get(path.suffix, 'text')}\n{text}\n{fence}\n"


def links(source: str, text: str) -> dict[str, str]:
    """The links of a page, for a Markdown file or a folder; code has none."""
    return linked(source, text) if source.endswith(".md") or (ROOT / source).is_dir() else {}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """List every decision record in the navigation, after the page that the configuration names."""
    (decisions,) = [entry["Decisions"] for entry in config.nav or () if "Decisions" in entry]
    decisions += sorted(f"decisions/{path.name}" for path in (ROOT / "docs/decisions").glob("[0-9]*.md"))
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the home page, the benchmarks, and every file that a page links to, directly or through another one."""
    queue = [*PLACES, *(f"docs/{file.src_uri}" for file in files.documentation_pages())]
    done: set[str] = set()
    while queue:
        source = queue.pop()
        if source in done or (source.startswith("docs/") and not source.endswith(".md")):  # an image
            continue
        done.add(source)
        text = content(source)
        queue += links(source, text).values()
        if not source.startswith("docs/"):
            level = InclusionLevel.INCLUDED if source in PLACES else InclusionLevel.NOT_IN_NAV
            files.append(File.generated(config, site_path(source), content=text, inclusion=level))
    for name in SCRIPTS:
        files.append(File.generated(config, f"assets/{name}", abs_src_path=str(ROOT / ".docs" / name)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Point links to files outside of ``docs/`` to their pages."""
    source = repository_path(page.file.src_uri)
    found = links(source, markdown)

    def place(match: re.Match[str]) -> str:
        if match[1] not in found:
            return match[1]
        return os.path.relpath(site_path(found[match[1]]), posixpath.dirname(page.file.src_uri))

    return LINK.sub(place, markdown)
