"""A headless Chromium for the tests, driven over its debugging pipe with nothing but the standard library."""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from base64 import b64decode

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync --remote-debugging-pipe"""
#: The browser reads commands from file descriptor 3 and writes answers to 4. A Python in between puts them there,
#: because a function to run between fork and exec would also run the fork hooks of whatever is imported.
PLUMBING = """
import fcntl, os, sys
reads, writes = (fcntl.fcntl(int(word), fcntl.F_DUPFD, 10) for word in sys.argv[1:3])
os.dup2(reads, 3), os.dup2(writes, 4)
os.execvp(sys.argv[3], sys.argv[3:])
"""
KEYS = {"Space": 32, "Tab": 9, "ArrowLeft": 37, "Enter": 13, "Escape": 27}


def find():
    """Path of an installed browser, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One browser with one page.

    `errors` collects what the page's console complains of and what goes wrong in it, `fetched` the addresses that the
    page asks for, itself included.
    """

    def __init__(self, binary, profile, timeout=30):
        self.timeout, self.errors, self.fetched = timeout, [], []
        self._sent, self._rest, self._session = 0, b"", None
        commands, self._commands = os.pipe()
        self._answers, answers = os.pipe()
        line = [sys.executable, "-IS", "-c", PLUMBING, str(commands), str(answers), binary, *FLAGS.split()]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
        line += [f"--user-data-dir={profile}", "about:blank"]
        self._process = subprocess.Popen(line, pass_fds=(commands, answers), **quiet)
        os.close(commands), os.close(answers)
        page = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        self.send("Runtime.enable"), self.send("Log.enable"), self.send("Network.enable")

    def send(self, method, **parameters):
        """Send a command and return its result."""
        self._sent += 1
        message = {"id": self._sent, "method": method, "params": parameters}
        message |= {"sessionId": self._session} if self._session else {}
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        answer = self._answer(self._sent, method)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def _answer(self, number, what):
        end = time.monotonic() + self.timeout
        while True:
            *messages, self._rest = self._rest.split(b"\0", 1)
            if messages:
                message = json.loads(messages[0])
                event, about = message.get("method"), message.get("params", {})
                loud = event == "Runtime.consoleAPICalled" and about["type"] in ("error", "warning", "assert")
                if loud or event in ("Runtime.exceptionThrown", "Log.entryAdded"):
                    self.errors.append(about)
                if event == "Network.requestWillBeSent":
                    self.fetched.append(about["request"]["url"])
                if message.get("id") == number:
                    return message
            elif not select.select([self._answers], [], [], max(end - time.monotonic(), 0))[0]:
                raise TimeoutError(f"no answer to {what} within {self.timeout} s")
            elif received := os.read(self._answers, 1 << 20):
                self._rest += received
            else:
                raise ConnectionError(f"the browser ended during {what}")

    def open(self, url):
        """Load a page and wait until it is there."""
        self.send("Page.navigate", url=url)
        self.value("new Promise(go => document.readyState == 'complete' ? go() : addEventListener('load', () => go()))")

    def size(self, width, height, touch=False):
        """Make the window that large, in CSS pixels."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=touch)
        self.send("Emulation.setTouchEmulationEnabled", enabled=touch)

    def colours(self, scheme):
        """Prefer light or dark pages."""
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def value(self, expression):
        """Return what a JavaScript expression gives; a promise is waited for."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"].get("description", expression))
        return answer["result"].get("value")

    def middle(self, selector, across=0.5):
        """Scroll to an element and return a point of it in the window, halfway down."""
        find = "one => (one.scrollIntoView({block: 'center'}), one.getBoundingClientRect().toJSON())"
        box = self.value(f"({find})(document.querySelector({json.dumps(selector)}))")
        return {"x": box["x"] + across * box["width"], "y": box["y"] + box["height"] / 2}

    def point(self, selector, *shares, finger=False):
        """Press at a share of an element's width, move to the others, release: the left button, or a finger."""
        shares = shares or (0.5,)
        kinds = ("touchStart", "touchMove", "touchEnd") if finger else ("mousePressed", "mouseMoved", "mouseReleased")
        for step, share in enumerate([*shares, shares[-1]]):
            kind = kinds[0 if step == 0 else 2 if step == len(shares) else 1]
            place = self.middle(selector, share)
            if finger:
                self.send("Input.dispatchTouchEvent", type=kind, touchPoints=[place] if step < len(shares) else [])
            else:
                self.send("Input.dispatchMouseEvent", type=kind, button="left", buttons=1, clickCount=1, **place)

    def press(self, name, shift=False):
        """Press and release a key."""
        key, text = {"Space": (" ", " "), "Enter": ("Enter", "\r")}.get(name, (name, ""))
        for kind, typed in (("keyDown", text), ("keyUp", "")):
            about = {"type": kind, "text": typed, "key": key, "code": name, "windowsVirtualKeyCode": KEYS[name]}
            self.send("Input.dispatchKeyEvent", modifiers=8 * shift, **about)

    def picture(self):
        """Return what the window shows, as a PNG file."""
        return b64decode(self.send("Page.captureScreenshot", format="png")["data"])

    def close(self):
        """End the browser and every process that it started."""
        os.close(self._commands), os.close(self._answers)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
