"""Hooks of mkdocs.yml: pages from files outside docs/, links to such files, and equations as MathML."""

import html
import os
import re
from pathlib import Path

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from pygments.formatters import HtmlFormatter

ROOT = Path(__file__).parents[2]
COPIED = {'CONTRIBUTING.md': 'project/contributing.md', 'CHANGELOG.md': 'project/changelog.md'}
LINK = re.compile(r'\[([^\]]*)\]\((?!\w+:|#)([^)\s#]*)(#[^)\s]*)?\)')
EQUATION = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add pages from the root of the repository, and the colors of code."""
    files.append(File.generated(config, 'pygments.css', content=HtmlFormatter().get_style_defs('.highlight')))
    for source, page in COPIED.items():
        text = (ROOT / source).read_text(encoding='utf-8')
        files.append(File.generated(config, page, content=_links(text, ROOT, (ROOT / 'docs' / page).parent)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Replace links to files outside docs/, which are not on the site, by text."""
    folder = (ROOT / 'docs' / page.file.src_uri).parent
    return _links(markdown, folder, folder)


def on_page_content(text: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Replace LaTeX by MathML, which browsers show without a script."""

    def replace(match: re.Match) -> str:
        return convert(html.unescape(match[2]), display='inline' if match[1] == 'span' else 'block')

    return EQUATION.sub(replace, text)


def _links(markdown: str, source: Path, target: Path) -> str:
    """Rewrite links that are relative to the folder ``source`` for a page in the folder ``target``."""

    def replace(match: re.Match) -> str:
        text, path, anchor = match[1], os.path.normpath(source / match[2]), match[3] or ''
        copied = COPIED.get(os.path.relpath(path, ROOT))
        path = str(ROOT / 'docs' / copied) if copied else path
        if not path.startswith(f'{ROOT / "docs"}{os.sep}') and os.path.exists(path):
            return text
        return f'[{text}]({os.path.relpath(path, target)}{anchor})'

    return LINK.sub(replace, markdown)
