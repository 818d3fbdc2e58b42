#!/usr/bin/env python3
"""Runs a command at a pseudo-terminal of a given size, types, sends signals, and tells what its screen shows.

  terminal.py [--size 80x24] [--timeout 30] [--raw FILE] [--stdin FILE] [--stdout FILE] [--stderr FILE] [STEP...] -- COMMAND ARG...

Steps, one after the other; the command has begun before the first:
  expect:REGEX   waits until a line of the screen, or what has been written since the last step, matches
  gone:REGEX     waits until no line of the screen matches
  send:TEXT      types it; \\n is Return, \\e Escape, \\xHH a byte
  key:NAME       ctrl-a to ctrl-z, up, down, left, right, home, end, page-up, page-down, return, escape, tab, backspace, or one letter
  signal:NAME    INT, TERM, WINCH..., to the command alone
  resize:40x10   another size
  sleep:SECONDS
  screen         prints the screen as it is now, and a line "--"
  eof            ctrl-d

Then it waits for the command's end, prints the screen that it left (without empty lines at its end), and exits as the command did (128 and the
signal's number when one ended it); 124: it did not end and was killed; 125: a step did not come true. --raw keeps every byte that was written to the
terminal. --stdin, --stdout, --stderr take that descriptor away from the terminal (- closes it).

As a module: Terminal(command, columns, rows), with the steps as methods. The screen is a model of what programs use: lines that wrap and scroll, carriage
return, tabs, erasing, cursor movement, scrolling regions, inserting and deleting, the other screen; colours are dropped (they are in raw).
"""
import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
import unicodedata

KEYS = {"up": "\x1b[A", "down": "\x1b[B", "right": "\x1b[C", "left": "\x1b[D", "home": "\x1b[H", "end": "\x1b[F", "page-up": "\x1b[5~",
        "page-down": "\x1b[6~", "return": "\r", "escape": "\x1b", "tab": "\t", "backspace": "\x7f"}
KEYS.update({f"ctrl-{chr(c)}": chr(c & 0x1f) for c in range(ord("a"), ord("z") + 1)})


class StepFailed(Exception):
    pass


class Screen:
    """What a terminal shows after the text it was fed."""
    SEQUENCE = re.compile(r"\x1b(?:\[(?P<args>[<-?]?[0-9;:]*)(?P<middle>[ -/]*)(?P<final>[@-~])|\](?:[^\x07\x1b]*)(?:\x07|\x1b\\)|[()*+][0-~]|(?P<single>[0-Z\\^-~]))")

    def __init__(self, columns=80, rows=24):
        self.columns, self.rows = columns, rows
        self.reset()

    def reset(self):
        self.cells = [[" "] * self.columns for _ in range(self.rows)]
        self.row = self.column = 0
        self.wraps_next = False         # a full line: the cursor stays on its last column until one character more comes
        self.top, self.bottom = 0, self.rows - 1
        self.saved = (0, 0)
        self.other = None               # the first screen while the second is shown
        self.has_cursor = True
        self.rest = ""

    def resize(self, columns, rows):
        def fit(cells):
            cells = [(line + [" "] * columns)[:columns] for line in cells][-rows:] if len(cells) > rows and self.row >= rows else \
                [(line + [" "] * columns)[:columns] for line in cells][:rows]
            return cells + [[" "] * columns for _ in range(rows - len(cells))]
        self.cells = fit(self.cells)
        if self.other:
            self.other = (fit(self.other[0]), 0, 0)
        self.columns, self.rows = columns, rows
        self.row, self.column = min(self.row, rows - 1), min(self.column, columns - 1)
        self.top, self.bottom = 0, rows - 1

    def lines(self):
        return ["".join(line).rstrip() for line in self.cells]

    def text(self):
        return "\n".join(self.lines()).rstrip("\n")

    def scroll(self, top, bottom, n):
        """Up by n lines; down when n is negative."""
        for _ in range(min(abs(n), self.rows)):
            if n > 0:
                del self.cells[top]
                self.cells.insert(bottom, [" "] * self.columns)
            else:
                del self.cells[bottom]
                self.cells.insert(top, [" "] * self.columns)

    def line_feed(self):
        self.wraps_next = False
        if self.row == self.bottom:
            self.scroll(self.top, self.bottom, 1)
        elif self.row < self.rows - 1:
            self.row += 1

    def put(self, c):
        width = 0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        if width == 0:
            return
        if self.wraps_next or self.column + width > self.columns:
            self.column = 0
            self.line_feed()
        self.cells[self.row][self.column] = c
        if width == 2:
            self.cells[self.row][self.column + 1] = ""
        self.column += width
        if self.column >= self.columns:
            self.column, self.wraps_next = self.columns - 1, True

    def feed(self, text):
        """Returns what the terminal answers to questions."""
        text, self.rest, answer = self.rest + text, "", ""
        i = 0
        while i < len(text):
            c = text[i]
            if c == "\x1b":
                m = self.SEQUENCE.match(text, i)
                if not m:
                    if len(text) - i < 64:      # the rest of it comes later
                        self.rest = text[i:]
                        break
                    i += 1
                    continue
                answer += self.sequence(m)
                i = m.end()
                continue
            if c == "\r":
                self.column, self.wraps_next = 0, False
            elif c in "\n\v\f":
                self.line_feed()
            elif c == "\b":
                self.column, self.wraps_next = max(0, self.column - 1), False
            elif c == "\t":
                self.column = min(self.columns - 1, (self.column // 8 + 1) * 8)
            elif c >= " " and c != "\x7f":
                self.put(c)
            i += 1
        return answer

    def erase(self, row, begin, end):
        self.cells[row][begin:end] = [" "] * (end - begin)

    def sequence(self, m):
        final, single, text = m.group("final"), m.group("single"), m.group("args") or ""
        if single:
            self.single(single)
        if not final or m.group("middle"):
            return ""
        private = text[:1] if text[:1] in "<=>?" else ""
        args = [int(a) if a.isdigit() else 0 for a in text[len(private):].split(";")]
        first = args[0] or 1
        if private == "?" and final in "hl":
            for a in args:
                self.mode(a, final == "h")
            return ""
        if private:
            return ""
        if final != "m":
            self.wraps_next = False
        if final == "n":
            return f"\x1b[{self.row + 1};{self.column + 1}R" if args[0] == 6 else "\x1b[0n"
        if final == "c":
            return "\x1b[?1;2c"
        if final in "Hf":
            self.move(first - 1, (args[1] or 1) - 1 if len(args) > 1 else 0)
        elif final in "AF":
            self.move(self.row - first, 0 if final == "F" else self.column)
        elif final in "BE":
            self.move(self.row + first, 0 if final == "E" else self.column)
        elif final == "C":
            self.move(self.row, self.column + first)
        elif final == "D":
            self.move(self.row, self.column - first)
        elif final in "G`":
            self.move(self.row, first - 1)
        elif final == "d":
            self.move(first - 1, self.column)
        elif final == "K":
            self.erase(self.row, *[(self.column, self.columns), (0, self.column + 1), (0, self.columns)][min(args[0], 2)])
        elif final == "J":
            for row in range(self.rows):
                if args[0] >= 2 or (args[0] == 0 and row > self.row) or (args[0] == 1 and row < self.row):
                    self.erase(row, 0, self.columns)
            if args[0] == 0:
                self.erase(self.row, self.column, self.columns)
            elif args[0] == 1:
                self.erase(self.row, 0, self.column + 1)
        elif final == "L" and self.top <= self.row <= self.bottom:
            self.scroll(self.row, self.bottom, -first)
        elif final == "M" and self.top <= self.row <= self.bottom:
            self.scroll(self.row, self.bottom, first)
        elif final == "S":
            self.scroll(self.top, self.bottom, first)
        elif final == "T":
            self.scroll(self.top, self.bottom, -first)
        elif final == "P":
            line = self.cells[self.row]
            self.cells[self.row] = (line[:self.column] + line[self.column + first:] + [" "] * self.columns)[:self.columns]
        elif final == "@":
            line = self.cells[self.row]
            self.cells[self.row] = (line[:self.column] + [" "] * first + line[self.column:])[:self.columns]
        elif final == "X":
            self.erase(self.row, self.column, min(self.columns, self.column + first))
        elif final == "r":
            top, bottom = first - 1, (args[1] if len(args) > 1 and args[1] else self.rows) - 1
            if top < bottom < self.rows:
                self.top, self.bottom = top, bottom
            self.move(0, 0)
        elif final == "s":
            self.saved = (self.row, self.column)
        elif final == "u":
            self.move(*self.saved)
        return ""

    def single(self, c):
        if c == "7":
            self.saved = (self.row, self.column)
        elif c == "8":
            self.move(*self.saved)
        elif c == "D":
            self.line_feed()
        elif c == "E":
            self.column = 0
            self.line_feed()
        elif c == "M":
            if self.row == self.top:
                self.scroll(self.top, self.bottom, -1)
            else:
                self.row = max(0, self.row - 1)
        elif c == "c":
            self.reset()

    def move(self, row, column):
        self.row, self.column, self.wraps_next = max(0, min(self.rows - 1, row)), max(0, min(self.columns - 1, column)), False

    def mode(self, number, is_on):
        if number == 25:
            self.has_cursor = is_on
        elif number in (47, 1047, 1049) and is_on != bool(self.other):
            if is_on:
                self.other = (self.cells, self.row, self.column)
                self.cells = [[" "] * self.columns for _ in range(self.rows)]
            else:
                self.cells, self.row, self.column = self.other
                self.other = None


def opened(path, flags):
    return os.open(os.devnull if path == "-" else path, flags, 0o666)


class Terminal:
    """A command at a terminal. stdin, stdout, stderr: None is the terminal; else a descriptor, which stays the caller's."""

    def __init__(self, command, columns=80, rows=24, env=None, stdin=None, stdout=None, stderr=None):
        self.screen, self.raw, self.told = Screen(columns, rows), b"", 0
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.master, self.slave = pty.openpty()         # our own slave stays open, so that what comes last is not lost
        self.set_size(columns, rows)
        env = dict(os.environ if env is None else env)
        env.setdefault("TERM", "xterm-256color")
        env.pop("COLUMNS", None)
        env.pop("LINES", None)
        self.process = subprocess.Popen(command, env=env, stdin=self.slave if stdin is None else stdin, stdout=self.slave if stdout is None else stdout,
                                        stderr=self.slave if stderr is None else stderr, start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0))

    def set_size(self, columns, rows):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, columns, rows):
        self.screen.resize(columns, rows)
        self.set_size(columns, rows)

    def read(self, seconds=0.0):
        """What comes within the time, until the first of it is there. False: nothing."""
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        some = os.read(self.master, 65536)
        self.raw += some
        answer = self.screen.feed(self.decoder.decode(some))
        if answer:
            os.write(self.master, answer.encode())
        return True

    def run(self, seconds):
        """Lets so much time pass."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.read(left)

    def send(self, text):
        self.told = len(self.raw)
        data = text.encode() if isinstance(text, str) else text
        while data:
            self.read(0)
            data = data[os.write(self.master, data[:512]):]

    def key(self, name):
        if name not in KEYS and len(name) != 1:
            raise StepFailed(f"there is no key {name!r}")
        self.send(KEYS.get(name, name))

    def signal(self, number):
        self.told = len(self.raw)
        self.process.send_signal(number)

    def shows(self, pattern):
        return any(re.search(pattern, line) for line in self.screen.lines())

    def expect(self, pattern, seconds=20.0):
        """Waits until a line of the screen, or what was written since the last key or signal, matches."""
        end = time.monotonic() + seconds
        while True:
            if self.shows(pattern) or re.search(pattern, self.raw[self.told:].decode(errors="replace")):
                return
            if not self.read(0.05) and (time.monotonic() > end or self.process.poll() is not None):
                raise StepFailed(f"{pattern!r} did not come; the screen:\n{self.screen.text()}")

    def gone(self, pattern, seconds=20.0):
        end = time.monotonic() + seconds
        while self.shows(pattern):
            if not self.read(0.05) and time.monotonic() > end:
                raise StepFailed(f"{pattern!r} did not go away; the screen:\n{self.screen.text()}")

    def end(self, seconds=30.0):
        """The exit code, 128 and the signal's number, or 124 after killing what did not end."""
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end:
            self.read(0.05)
        code = self.process.poll()
        if code is None:
            self.close()
            code = 124
        while self.read(0.05):
            pass
        os.close(self.slave)
        os.close(self.master)
        return 128 - code if code < 0 else code

    def close(self):
        if self.process.poll() is None:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.process.wait()


def size_of(text):
    columns, rows = text.split("x")
    return int(columns), int(rows)


def step(terminal, text, timeout):
    name, _, rest = text.partition(":")
    if name in ("expect", "gone"):
        getattr(terminal, name)(rest, timeout)
    elif name == "send":
        terminal.send(re.sub(r"\\(n|e|t|\\|x[0-9a-fA-F]{2})", lambda m: {"n": "\r", "e": "\x1b", "t": "\t", "\\": "\\"}.get(m[1]) or chr(int(m[1][1:], 16)), rest))
    elif name == "key":
        terminal.key(rest)
    elif name == "signal":
        terminal.signal(getattr(signal, "SIG" + rest))
    elif name == "resize":
        terminal.resize(*size_of(rest))
    elif name == "sleep":
        terminal.run(float(rest))
    elif name == "screen":
        terminal.read(0.1)
        print(terminal.screen.text(), "--", sep="\n", flush=True)
    elif name == "eof":
        terminal.key("ctrl-d")
    else:
        raise StepFailed(f"there is no step {name!r}")


def main(argv):
    if "--" not in argv or "--help" in argv[:argv.index("--")]:
        print(__doc__, file=sys.stderr)
        return 2
    command = argv[argv.index("--") + 1:]
    options, steps = {"size": "80x24", "timeout": "30"}, []
    words = iter(argv[:argv.index("--")])
    for word in words:
        if word.startswith("--"):
            options[word[2:]] = next(words)
        else:
            steps.append(word)
    taken = {name: opened(options[name], os.O_RDONLY if name == "stdin" else os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
             for name in ("stdin", "stdout", "stderr") if name in options}
    timeout, code = float(options["timeout"]), 0
    terminal = Terminal(command, *size_of(options["size"]), **taken)
    try:
        for text in steps:
            step(terminal, text, timeout)
        code = terminal.end(timeout)
    except StepFailed as e:
        print(f"terminal.py: {e}", file=sys.stderr)
        code = 125
    finally:
        terminal.close()
    if "raw" in options:
        with open(options["raw"], "wb") as f:
            f.write(terminal.raw)
    if code != 125:
        print(terminal.screen.text(), flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
