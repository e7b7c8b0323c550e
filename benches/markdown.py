"""Pieces of a document."""


def table(header, rows):
    """The first column is text, all others are numbers."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def count(number):
    """Such as `20 million`, or `75,453`."""
    return f"{number // 1_000_000} million" if number >= 1_000_000 and number % 1_000_000 == 0 else f"{number:,}"


def paragraphs(*parts):
    """With an empty line between them; those that are empty are skipped."""
    return "\n\n".join(part.strip() for part in parts if part)
