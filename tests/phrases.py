"""Searches for the phrases of phrases.txt: `python3 tests/phrases.py`, run by `make check`.

What people read is searched: documents, comments, texts in quotes (messages, log lines, `--help`), pages, and the descriptions of the template.
What stands in back-quotes is a name, and what stands in the braces of a text with values is code.
"""

import fnmatch
import io
import re
import subprocess
import sys
import tokenize
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Text of others, data, and this list itself.
SKIPPED = [
    "tests/data/*", "tests/servers/*", "tests/evil-guests/wit/*", "tests/npm/*", "tests/phrases.*", "guest-converters/sdk/src/generated.rs",
]  # fmt: skip

RUST = re.compile(
    r'//[^\n]*|/\*.*?\*/|(?P<raw>b?r(#*)".*?"\2)|b?"(?:[^"\\]|\\.)*"|\'(?:[^\'\\\n]|\\.)[^\'\n]*\'', re.DOTALL
)
SCRIPT = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`', re.DOTALL)
# Values in texts: `{told:?}` of Rust, `{count(of):>3}` of Python, `${told}` of JavaScript.
NAMED = re.compile(r"\{\w*(?::[^{}\s]*)?\}")
COMPUTED = re.compile(r"\{(?:[^{}\n]|\{[^{}\n]*\})*\}")
TEXTS = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", None)}


def blank(text):
    return re.sub(r"[^\n]", " ", text)


def prose(path, text):
    """The text with everything blanked that is not for people, so that places stay what they are."""
    if path.suffix in {".rs", ".wit", ".js"}:
        kept, end = [], 0
        quoted, value = (SCRIPT, COMPUTED) if path.suffix == ".js" else (RUST, NAMED)
        for match in quoted.finditer(text):
            found = match[0]
            # A phrase may go on in the next line, behind its mark or the backslash of a text.
            shown = re.sub(r"^\s*//[/!]?", lambda it: blank(it[0]), found) if found.startswith("/") else found.replace("\\n", "  ")
            shown = value.sub(lambda it: blank(it[0]), shown.replace("\\\n", " \n"))
            shown = re.sub(r"\A`|`\Z", " ", shown)
            kept += [blank(text[end : match.start()]), blank(found) if found.startswith("'") else shown]
            end = match.end()
        text = "".join([*kept, blank(text[end:])])
    elif path.suffix == ".py":
        lines = [list(blank(line)) for line in text.splitlines()]
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type in TEXTS:
                is_format = re.match(r"(?i)r?f", token.string) and token.type == tokenize.STRING
                found = COMPUTED.sub(lambda it: blank(it[0]), token.string) if is_format else token.string
                (row, column), shown = token.start, found.split("\n")
                for number, line in enumerate(shown):
                    at = column if number == 0 else 0
                    lines[row - 1 + number][at : at + len(line)] = line.lstrip("#").rjust(len(line))
        text = "\n".join(map("".join, lines))
    elif path.suffix == ".sh" or path.name == "Makefile":
        kept, end = [], 0
        for match in re.finditer(r"(?m)(?<!\S)#.*$|\"[^\"\n]*\"|'[^'\n]*'", text):
            kept += [blank(text[end : match.start()]), re.sub(r"^#+", lambda it: blank(it[0]), match[0])]
            end = match.end()
        text = "".join([*kept, blank(text[end:])])
    elif path.suffix in {".toml", ".yaml", ".yml"}:
        text = re.sub(r"(?m)^(\s*)#", r"\1 ", text)
    return re.sub(r"(?s)`[^`\n]*`", lambda it: blank(it[0]), text)


def main():
    rules, allowed = [], []
    for line in (ROOT / "tests/phrases.txt").read_text().splitlines():
        if line.startswith("allow "):
            allowed.append(line.removeprefix("allow ").split(": ", 1))
        elif line and not line.startswith("#"):
            phrase, instead = line.split(" => ")
            rules.append((re.compile(r"(?i)(?<![\w-])(?:%s)(?![\w-])" % re.sub(r" +", r"\\s+", phrase.strip())), instead))
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], check=True, capture_output=True, text=True, cwd=ROOT)
    found, searched = [], 0
    for name in listed.stdout.splitlines():
        path = ROOT / name
        suffixes = {".md", ".rs", ".wit", ".py", ".sh", ".toml", ".yaml", ".yml", ".txt", ".js", ".html", ".svg", ".failure"}
        if any(fnmatch.fnmatch(name, it) for it in SKIPPED) or not path.is_file() or (path.suffix not in suffixes and path.name != "Makefile"):
            continue
        text, searched = path.read_text(), searched + 1
        shown, lines = prose(path, text), text.splitlines()
        for rule, instead in rules:
            for match in rule.finditer(shown):
                number = shown.count("\n", 0, match.start())
                around = " ".join(lines[number : number + 2])
                if any(fnmatch.fnmatch(name, files) and context in around for files, context in allowed):
                    continue
                found.append(f"{name}:{number + 1}: `{' '.join(match[0].split())}`: write {instead}")
    if searched < 100:
        sys.exit(f"phrases: only {searched} files were searched")
    print(*found, sep="\n") if found else None
    if found:
        sys.exit(f"phrases: {len(found)} that this project avoids\nhint: tests/phrases.txt names what to write, and what is allowed where")


if __name__ == "__main__":
    main()
