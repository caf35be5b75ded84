"""browser.py - Chromium without a window, through its debugging pipe.

Commands and events are JSON objects with a NUL behind each, on the file
descriptors 3 and 4 (--remote-debugging-pipe). No port, no module to install.
"""

import json
import os
import select
import shutil
import subprocess
import tempfile
import time

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
    "--disable-dev-shm-usage", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--hide-scrollbars", "--remote-debugging-pipe",
)
PATIENCE_S = 60  # For any one answer: only a browser that hangs takes as long.


class Missing(Exception):
    """There is no browser, or none that starts."""


def find():
    for name in NAMES:
        path = shutil.which(name)
        if path:
            return path
    raise Missing("chromium is not installed")


class Browser:
    """One page in one browser; a context manager."""

    def __enter__(self):
        path = find()
        self.profile = tempfile.mkdtemp(prefix="wreath-report-")
        theirs, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        # Above 4, lest one is closed by being moved onto another.
        theirs, theirs_out = os.dup(theirs), os.dup(theirs_out)
        high = [os.dup2(fd, 30 + i) for i, fd in enumerate((theirs, theirs_out))]

        def wire():
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self.log = open(os.path.join(self.profile, "log"), "wb")
        self.process = subprocess.Popen(
            [path, *FLAGS, "--user-data-dir=" + self.profile, "about:blank"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            close_fds=False, preexec_fn=wire, start_new_session=True)
        for fd in (theirs, theirs_out, *high):
            os.close(fd)
        self.out, self.into = ours_out, ours_in
        self.buffer, self.number, self.events = b"", 0, []
        self.session = None
        try:
            targets = self.ask("Target.getTargets")["targetInfos"]
            page = next(t for t in targets if t["type"] == "page")
            self.session = self.ask("Target.attachToTarget",
                                    targetId=page["targetId"],
                                    flatten=True)["sessionId"]
            for domain in ("Page", "Network", "Runtime", "Log"):
                self.ask(domain + ".enable")
        except (EOFError, BrokenPipeError, StopIteration):
            self.__exit__()
            raise Missing(path + " does not start here") from None
        return self

    def __exit__(self, *_):
        try:
            self.session = None
            self.ask("Browser.close")
        except (EOFError, BrokenPipeError):
            pass
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, 9)
            self.process.wait()
        os.close(self.out)
        os.close(self.into)
        self.log.close()
        shutil.rmtree(self.profile, ignore_errors=True)

    def _next(self, until):
        while b"\0" not in self.buffer:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.into], [], [], left)[0]:
                raise EOFError("the browser does not answer")
            more = os.read(self.into, 1 << 20)
            if not more:
                raise EOFError("the browser is gone")
            self.buffer += more
        line, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(line)

    def ask(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + PATIENCE_S
        while True:
            answer = self._next(until)
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def wait(self, event):
        """Until `event` has come since the last `open`."""
        until = time.monotonic() + PATIENCE_S
        while not any(e.get("method") == event for e in self.events):
            self.events.append(self._next(until))

    def open(self, path, width, height, dark):
        self.ask("Emulation.setDeviceMetricsOverride", width=width,
                 height=height, deviceScaleFactor=1, mobile=width < 600)
        self.ask("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme",
             "value": "dark" if dark else "light"}])
        self.events = []
        self.ask("Page.navigate", url="file://" + os.path.abspath(path))
        self.wait("Page.loadEventFired")

    def evaluate(self, expression):
        answer = self.ask("Runtime.evaluate", expression=expression,
                          returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def screenshot(self, clip=None):
        """A PNG, of all of the page or of {x, y, width, height}; base64."""
        params = {"format": "png", "captureBeyondViewport": True}
        if clip:
            params["clip"] = dict(clip, scale=1)
        return self.ask("Page.captureScreenshot", **params)["data"]
