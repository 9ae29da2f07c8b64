"""What the lints read of Rust: code without comments and without the contents of literals.

A comment can contain a quotation mark, and a literal can contain what begins a comment, so both are found in one pass. Line
breaks stay, so that the numbers of lines do.

>>> print(code('let a = "http://a"; crate::b::c(); // "d'))
let a = ""; crate::b::c(); 
>>> print(code(r'''let a = '"'; crate::b("\\"//"); let b: &'static str = r#"c"//"#; crate::d('\\'', b"//")'''))
let a = ''; crate::b(""); let b: &'static str = ""; crate::d('', "")
>>> code('/* a /* "\\n */ */ b // c\\nd("\\n//"); e').split("\\n")
['', ' b ', 'd("', '"); e']
>>> print(code('a(); #[cfg(test)] mod tests { b("}") }'))
a(); 
"""
import re

TOKEN = re.compile(
    r"""
    (?P<line>//[^\n]*)
    | (?P<block>/\*)
    | \bb?r(?P<hashes>\#*)"(?:.*?)"(?P=hashes)
    | \bb?"(?:[^"\\]|\\.)*" | "(?:[^"\\]|\\.)*"
    | (?P<character>'(?:[^'\\\n]|\\[^\n][^'\n]*)')
    """,
    re.S | re.X,
)
BLOCK = re.compile(r"/\*|\*/")
TEST_MODULE = re.compile(r"#\[cfg\(test\)\]\s*(?:pub(?:\([^)]*\))? )?mod \w+ \{.*", re.S)


def code(text):
    """The text without comments, contents of literals, and the unit tests at its end."""
    parts, at = [], 0
    while token := TOKEN.search(text, at):
        parts.append(text[at : token.start()])
        at = token.end()
        if token["block"]:
            at = end_of_block(text, at)
        lines = "\n" * text.count("\n", token.start(), at)
        quote = "" if token["line"] or token["block"] else "'" if token["character"] else '"'
        parts.append(quote + lines + quote)
    return TEST_MODULE.sub("", "".join(parts) + text[at:])


def end_of_block(text, at):
    """Where the comment ends that began before `at`: comments nest."""
    depth = 1
    while depth and (mark := BLOCK.search(text, at)):
        depth += 1 if mark[0] == "/*" else -1
        at = mark.end()
    return len(text) if depth else at
