"""What is measured: a module each, which measures, writes a section of the document, and checks its goals.

`measure(bench)` returns what the others get: all that was measured, as JSON can hold it. `section(found)` is Markdown with the
heading first. `headlines(found)` are sentences for the top of the document, and `goals(found)` tuples: what, the goal, what was
measured, and whether that meets it.
"""
