"""A headless Chromium, driven by its DevTools protocol over a pipe: no library, no port."""
import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time


class Failure(Exception):
    pass


class Browser:
    def __init__(self, program="chromium", extra=()):
        self.folder = tempfile.mkdtemp(prefix="skein-browser.")
        to_read, self.to = os.pipe()
        self.at, to_write = os.pipe()
        # The program finds its ends as descriptors 3 and 4.
        command = 'exec "$0" "$@" 3<&%d 4>&%d' % (to_read, to_write)
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
                     "--disable-background-networking", "--user-data-dir=" + self.folder, "--remote-debugging-pipe", *extra, "about:blank"]
        self.process = subprocess.Popen(["bash", "-c", command, program, *arguments], pass_fds=(to_read, to_write), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(to_write)
        self.number, self.rest, self.session, self.events = 0, b"", None, []
        target = self.ask("Target.createTarget", {"url": "about:blank"})["targetId"]
        self.session = self.ask("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(domain + ".enable")
        self.ask("Emulation.setFocusEmulationEnabled", {"enabled": True})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.to)
        os.close(self.at)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _message(self, end):
        while b"\0" not in self.rest:
            if not select.select([self.at], [], [], max(0, end - time.monotonic()))[0]:
                raise Failure("the browser does not answer")
            piece = os.read(self.at, 1 << 16)
            if not piece:
                raise Failure("the browser has ended")
            self.rest += piece
        one, self.rest = self.rest.split(b"\0", 1)
        return json.loads(one)

    def ask(self, method, params=None, seconds=30):
        self.number += 1
        question = {"id": self.number, "method": method, "params": params or {}}
        if self.session:
            question["sessionId"] = self.session
        os.write(self.to, json.dumps(question).encode() + b"\0")
        end = time.monotonic() + seconds
        while True:
            m = self._message(end)
            if m.get("id") == self.number:
                if "error" in m:
                    raise Failure("%s: %s" % (method, m["error"]["message"]))
                return m["result"]
            if "method" in m:
                self.events.append(m)

    def value(self, expression):
        r = self.ask("Runtime.evaluate", {"expression": expression, "returnByValue": True, "awaitPromise": True})
        if "exceptionDetails" in r:
            raise Failure("%s: %s" % (expression, r["exceptionDetails"].get("exception", {}).get("description", r["exceptionDetails"]["text"])))
        return r["result"].get("value")

    def until(self, expression, seconds=10):
        end = time.monotonic() + seconds
        while not self.value(expression):
            if time.monotonic() > end:
                raise Failure("not within the time: %s; the page says: %s" % (expression, self.value("document.body && document.body.innerText.slice(0, 500)")))
            time.sleep(0.05)

    def go(self, url):
        self.ask("Page.navigate", {"url": url})

    def view(self, width, height, is_dark=False, is_phone=False):
        self.ask("Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone})
        self.ask("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}]})

    def key(self, name, text=None):
        codes = {"Tab": 9, "Enter": 13}
        event = {"key": name, "code": name, "windowsVirtualKeyCode": codes[name]}
        if name == "Enter":
            event["text"] = "\r"
        self.ask("Input.dispatchKeyEvent", {"type": "keyDown", **event})
        self.ask("Input.dispatchKeyEvent", {"type": "keyUp", **event})

    def picture(self, path):
        data = base64.b64decode(self.ask("Page.captureScreenshot", {"format": "png"})["data"])
        with open(path, "wb") as f:
            f.write(data)

    def complaints(self):
        """What scripts threw, what the policy refused, and who else was asked."""
        said = []
        for e in self.events:
            p = e["params"]
            if e["method"] == "Runtime.exceptionThrown":
                said.append(p["exceptionDetails"]["text"] + " " + p["exceptionDetails"].get("exception", {}).get("description", ""))
            if e["method"] == "Log.entryAdded" and p["entry"]["level"] == "error" and p["entry"]["source"] != "network":
                said.append(p["entry"]["text"])
        return said

    def asked(self):
        return [e["params"]["request"]["url"] for e in self.events if e["method"] == "Network.requestWillBeSent"]
