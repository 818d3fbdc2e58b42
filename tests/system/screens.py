"""
screens.py PAGE DIR: the blocks of the page that follow a line "<!-- screen NAME -->" are what the files DIR/NAME show, but for what differs from run to run.
With SKEIN_WRITE_DOCS=1 they are written anew.
"""
import os
import re
import sys

BLOCK = re.compile(r"(<!-- screen ([a-z-]+) -->\n```\n)(.*?)(```\n)", re.S)


def plain(text):
    """What must be the same: words, and where there is a number, an age, a size or an identifier."""
    text = re.sub(r"127\.0\.0\.1:\d+", "ADDRESS", text)
    text = re.sub(r"-[0-9a-f]{8}-[0-9a-f-]{0,27}…?", "-ID", text)
    text = re.sub(r"(cluster|id) +[A-Za-z0-9_-]{22}", r"\1 ID", text)
    text = re.sub(r"\b\d+(\.\d+)? [KMGTP]?B\b", "SIZE", text)
    text = re.sub(r"\b(\d+[dhm]\d+[hms]|\d+ s)(?=\s|$)", "AGE", text)
    text = re.sub(r"\d\d:\d\d:\d\d", "TIME", text)
    text = re.sub(r"\d+(\.\d+)?( [kM](?=\s))?", "N", text)
    text = text.replace("is behind", "is offline").replace("  controller", "")
    return sorted(re.sub(r" +", " ", line).strip() for line in text.splitlines())  # which broker was killed decides where its line stands


def shown(text):
    """As it is put into the page: with the port that everybody knows."""
    return re.sub(r"127\.0\.0\.1:(\d+)", lambda m: "127.0.0.1:9092" + " " * (len(m[1]) - 4), text).rstrip() + "\n"


page, directory = sys.argv[1:]
text = open(page, encoding="utf-8").read()
screens = {m[2]: m[3] for m in BLOCK.finditer(text)}
taken = {name: open(os.path.join(directory, name), encoding="utf-8").read() for name in os.listdir(directory)}
if set(screens) != set(taken):
    sys.exit(f"the page has the screens {sorted(screens)}, taken were {sorted(taken)}")
if os.environ.get("SKEIN_WRITE_DOCS"):
    text = BLOCK.sub(lambda m: m[1] + "\n".join(line.rstrip() for line in shown(taken[m[2]]).splitlines()) + "\n" + m[4], text)
    open(page, "w", encoding="utf-8").write(text)
    screens = {m[2]: m[3] for m in BLOCK.finditer(text)}
for name, wanted in screens.items():
    if plain(wanted) != plain(shown(taken[name])):
        sys.exit(f"{page} does not show what {name} is; SKEIN_WRITE_DOCS=1 writes it anew. It is\n{taken[name]}")
