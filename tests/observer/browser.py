"""Looks at the page of the observer in a headless Chromium, over its debugging pipe: no driver and no package is needed.

Usage: browser.py OBSERVE FOLDER [--small]. OBSERVE is the built example `observe`; pictures go into FOLDER. With `--small` they have
few colours, for the guide, which takes a while.
"""

import base64
import collections
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zlib

TOKEN = "a-token-for-this-test"


class Browser:
    """A Chromium with one page, and what that page has asked for."""

    def __init__(self):
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        to_browser, self.out = os.pipe()
        self.into, from_browser = os.pipe()

        def wire():
            # The browser reads commands from 3 and writes answers to 4. First out of the way: they may be 3 and 4 themselves.
            read, write = os.dup(to_browser), os.dup(from_browser)
            read, write = os.dup2(read, 63), os.dup2(write, 64)
            os.dup2(read, 3), os.dup2(write, 4)

        program = next(name for name in ("chromium", "chromium-browser", "google-chrome") if self.which(name))
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                     "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
                     f"--user-data-dir={self.profile.name}", "--remote-debugging-pipe", "about:blank"]
        self.process = subprocess.Popen([program, *arguments], preexec_fn=wire, close_fds=False,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self.pending, self.number, self.session = b"", 0, None
        self.requests, self.errors = [], []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    @staticmethod
    def which(name):
        return subprocess.run(["which", name], capture_output=True).returncode == 0

    def read(self):
        while b"\0" not in self.pending:
            piece = os.read(self.into, 1 << 16)
            if not piece:
                raise RuntimeError("the browser has ended")
            self.pending += piece
        message, self.pending = self.pending.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.read()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.note(answer)

    def note(self, event):
        data = event.get("params", {})
        if event.get("method") == "Network.requestWillBeSent":
            self.requests.append(data["request"]["url"])
        elif event.get("method") == "Runtime.exceptionThrown":
            details = data["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description") or details["text"])
        elif event.get("method") == "Log.entryAdded" and data["entry"]["level"] == "error":
            self.errors.append(f"{data['entry']['text']} {data['entry'].get('url', '')}")

    def js(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def until(self, expression, what, seconds=15):
        """Waits until an expression is true, and returns how long that took."""
        begun = time.monotonic()
        # While a page loads, elements are missing.
        while not self.js(f"(() => {{ try {{ return {expression}; }} catch {{ return false; }} }})()"):
            if time.monotonic() - begun > seconds:
                self.picture("failed")
                raise AssertionError(f"after {seconds} s: {what}\n{self.js('document.body.innerText')[:3000]}")
            time.sleep(0.02)
        return time.monotonic() - begun

    def view(self, width, height, scheme):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def picture(self, name):
        data = self.call("Page.captureScreenshot", format="png")["data"]
        with open(os.path.join(FOLDER, f"{name}.png"), "wb") as file:
            file.write(shrink(base64.b64decode(data)) if IS_SMALL else base64.b64decode(data))

    def key(self, key, text=""):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=KEYS.get(key, 0),
                      **({"text": text} if text and kind == "keyDown" else {}))

    def write(self, element, text):
        self.js(f"(() => {{ const e = document.getElementById('{element}'); e.value = {json.dumps(text)};"
                " e.dispatchEvent(new Event('input', {bubbles: true})); })()")

    def close(self):
        self.session = None
        try:
            self.call("Browser.close")
        except (RuntimeError, BrokenPipeError):
            pass
        self.process.wait(20)
        self.profile.cleanup()


KEYS = {"ArrowDown": 40, "ArrowUp": 38, "ArrowLeft": 37, "ArrowRight": 39, "Home": 36, "End": 35, "Enter": 13, "Escape": 27}


def shrink(png):
    """Returns a PNG with at most 256 colours, a third of the size: pictures of text have few, and many shades between them."""
    width, height, depth, kind = struct.unpack(">IIBB", png[16:26])
    assert depth == 8 and kind in (2, 6), (depth, kind)
    size, at, data = (3 if kind == 2 else 4), 8, b""
    while at < len(png):
        length, name = struct.unpack(">I4s", png[at:at + 8])
        data += png[at + 8:at + 8 + length] if name == b"IDAT" else b""
        at += 12 + length
    raw, row, rows = zlib.decompress(data), bytearray(width * size), []
    for line in range(height):
        begin = line * (width * size + 1)
        method, above, row = raw[begin], row, bytearray(raw[begin + 1:begin + 1 + width * size])
        for index in range(len(row)):
            left, up = row[index - size] if index >= size else 0, above[index]
            corner = above[index - size] if index >= size else 0
            if method == 1:
                row[index] = (row[index] + left) & 255
            elif method == 2:
                row[index] = (row[index] + up) & 255
            elif method == 3:
                row[index] = (row[index] + (left + up) // 2) & 255
            elif method == 4:
                near = min((abs(up - corner), 0, left), (abs(left - corner), 1, up), (abs(left + up - 2 * corner), 2, corner))
                row[index] = (row[index] + near[2]) & 255
        rows.append([tuple(row[index:index + 3]) for index in range(0, len(row), size)])
    common = [colour for colour, _ in collections.Counter(colour for row in rows for colour in row).most_common(160)]
    nearest = {}
    for row in rows:
        for colour in row:
            if colour not in nearest:
                nearest[colour] = min(range(len(common)), key=lambda one: sum((a - b) ** 2 for a, b in zip(colour, common[one])))
    lines = b"".join(b"\0" + bytes(nearest[colour] for colour in row) for row in rows)

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    return (png[:8] + chunk(b"IHDR", header) + chunk(b"PLTE", bytes(part for colour in common for part in colour))
            + chunk(b"IDAT", zlib.compress(lines, 9)) + chunk(b"IEND", b""))


class Program:
    """The example, which shows its tree."""

    def __init__(self, *arguments, port="0"):
        self.process = subprocess.Popen([OBSERVE, "--serve", "--port", port, *arguments], stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        self.url = self.process.stdout.readline().split(" on ")[1].strip()

    def close(self):
        self.process.kill()
        self.process.wait()


def row(path):
    """The row of a process, in JavaScript."""
    return f"[...document.querySelectorAll('.row')].find(row => row.querySelector('.name').title === '{path}')"


def post(url, headers):
    try:
        return urllib.request.urlopen(urllib.request.Request(url, method="POST", headers=headers), timeout=10).status
    except urllib.error.HTTPError as error:
        return error.code


def look(browser):
    program = Program("--control", TOKEN)
    try:
        browser.view(1280, 900, "light")
        browser.requests.clear()
        browser.call("Page.navigate", url=program.url)
        headline = "document.getElementById('headline').textContent"
        browser.until(f"{headline}.includes('in trouble')", "the page says that there is trouble")
        # Enough for each kind of trouble of the example.
        browser.until(f"{headline}.startsWith('✖') && document.body.innerText.includes('is stuck')"
                      " && document.body.innerText.includes('gave up')", "all troubles are named", 30)
        troubles = browser.js("document.getElementById('troubles').innerText")
        for words in ("shop.media.thumbnails", "is stuck: aborted because it missed its heartbeat, but has not yielded, since ", "shop.search.indexer"):
            assert words in troubles, troubles

        step("the bar says since when, how often, and what is seen")
        said = "document.getElementById('troubles').innerText + document.getElementById('others').innerText"
        browser.until(f"/shop.payments.db failing since \\d\\d:\\d\\d:\\d\\d \\(.*\\), \\d+ restarts?, \\d+ in the .* seen here: .*refused/.test({said})",
                      "it tells what was seen from the rest")
        browser.until(f"/indexer waits to restart, next attempt in \\d+ s \\(attempt 1\\)/.test({said})", "the next attempt has a time")
        counts = set()
        for _ in range(150):
            counts.add(browser.js(headline))
            time.sleep(0.05)
        assert len(counts) == 1, f"one trouble for each cause, at any moment: {counts}"
        assert browser.js(f"{row('shop.notify')}.querySelector('.below').textContent") == "1 in trouble"
        assert browser.js(f"{row('shop.media')}.querySelector('.word').textContent") == "not ready"
        assert browser.js(f"{row('shop.media')}.querySelector('.said').textContent").startswith("waits for thumbnails (stuck for ")

        step("states change: a restart is seen within a second")
        restarts = f"Number({row('shop.payments.db')}.querySelector('.restarts').textContent)"
        count, seen = browser.js(restarts), []
        events = "[...document.querySelectorAll('#events li')].map(item => item.innerText).join('\\n')"
        for _ in range(2):
            browser.until(f"{restarts} > {count}", "the next restart", 10)
            at, count = time.time() * 1000, browser.js(restarts)
            last = browser.js("(async () => { const tree = await (await fetch('tree')).json();"
                              " const find = node => node.path === 'shop.payments.db' ? node : node.children.map(find).find(Boolean);"
                              " const db = find(tree); return [tree.captured_at - db.last_exit.ago_seconds * 1000, db.restarts]; })()")
            assert last[1] == count, (last, count)
            seen.append(at - last[0])
        print("  seen after", [f"{round(late)} ms" for late in seen])
        assert all(late < 1000 for late in seen), seen
        assert "connection refused" in browser.js(events)
        lines = browser.js(events)
        told = lines.count("shop.notify.mail gave up:")
        assert told and told == lines.count("shop.notify.mail restarting"), "a give-up is one event"
        assert "supervisor ended" not in lines, lines

        step("pictures")
        # For the strip and the list of a page that was open for a while.
        time.sleep(6)
        browser.js(f"{row('shop.payments.db')}.click()")
        browser.picture("light")
        browser.view(1280, 900, "dark")
        browser.js(f"{row('shop.payments')}.click()")
        budget = "document.getElementById('details').innerText"
        browser.until(f"/Restarts used: [1-9][0-9]* of 40 within 60 s/.test({budget})", "it shows the restarts used")
        time.sleep(0.3)
        browser.picture("dark")
        browser.view(360, 740, "light")
        time.sleep(0.3)
        browser.picture("phone")
        wide = browser.js("document.documentElement.scrollWidth")
        assert wide <= 360, f"at 360 px the page is {wide} px wide"
        browser.view(1280, 900, "light")

        step("filter")
        browser.write("filter", "indexer locked")
        browser.until("document.querySelectorAll('.row').length === 3", "the process and those above it")
        browser.write("filter", "nothing has this name")
        browser.until("!document.getElementById('none').hidden", "the page says that no process matches")
        browser.write("filter", "")
        browser.until("document.querySelectorAll('.row').length > 5", "without a filter all are there again")

        browser.write("filter", "not ready")
        browser.until("document.querySelectorAll('.row').length === 5", "those that are not ready")
        browser.write("filter", "")
        step("the busiest first")
        browser.js("document.getElementById('by-busy').click()")
        browser.until("document.querySelectorAll('.row .name')[1].title === 'shop.search'", "the busiest is the first one")
        news = f"{row('shop.search.query')}.querySelector('.said').textContent"
        browser.until(f"/busy for [0-9.]+ m?s/.test({news})", "its row says for how long")
        browser.js(f"{row('shop.search.query')}.click()")
        browser.until("/Slowest poll\\n[0-9]+ ms/.test(document.getElementById('details').innerText)", "its details say more")
        browser.js("document.getElementById('by-busy').click()")

        step("keyboard")
        browser.js("document.getElementById('tree').focus()")
        browser.key("?", "?")
        browser.until("document.getElementById('keys').open", "it shows the keys")
        browser.picture("keys")
        browser.js("document.getElementById('keys').close()")
        browser.js("document.getElementById('tree').focus()")
        browser.key("Home")
        selected = "document.querySelector('.row[aria-selected=true] .name').title"
        assert browser.js(selected) == "shop"
        browser.key("ArrowDown")
        first = browser.js(selected)
        assert first != "shop"
        browser.key("ArrowLeft")
        browser.key("ArrowLeft")
        browser.until(f"{selected} === 'shop'", "left leads to the one above")
        browser.key("ArrowLeft")
        browser.until("document.querySelectorAll('.row').length === 1", "left closes")
        assert browser.js("document.querySelector('.row').getAttribute('aria-expanded')") == "false"
        browser.key("ArrowRight")
        browser.until("document.querySelectorAll('.row').length > 5", "right opens")

        step("changes need the token")
        ledger = browser.js("(async () => { const tree = await (await fetch('tree')).json();"
                            " const find = node => node.path === 'shop.payments.ledger' ? node : node.children.map(find).find(Boolean);"
                            " return find(tree).child_id; })()")
        target = f"{program.url}/children/{ledger}/terminate"
        assert post(target, {}) == 401
        assert post(target, {"Authorization": "Bearer another-token-entirely"}) == 401
        assert post(target, {"Authorization": f"Bearer {TOKEN}", "Origin": "http://evil.example"}) == 403
        browser.js(f"{row('shop.payments.ledger')}.click()")
        browser.until("document.querySelector('#details h2').textContent === 'shop.payments.ledger'", "it is shown")
        press = "[...document.querySelectorAll('#details button')].find(button => button.dataset.action === 'terminate').click()"
        browser.js(press)
        browser.write("token", "a-wrong-token-for-this")
        browser.js("document.getElementById('yes').click()")
        browser.until("document.getElementById('answer').textContent.includes('token is wrong')", "the page says so")
        state = f"{row('shop.payments.ledger')}.querySelector('.word').textContent"
        assert browser.js(state) == "running"
        browser.write("token", TOKEN)
        browser.picture("confirm")
        browser.js("document.getElementById('yes').click()")
        browser.until(f"{state} === 'stopped'", "with the right one the child stops")
        browser.until("!document.getElementById('confirm').open", "the question is answered")
        others = "document.getElementById('others').innerText"
        browser.until(f"{others}.trim() === 'and 1 more: shop.payments.ledger'", "it has no line, and is named")
        browser.until(press.replace("terminate", "restart").replace(".click()", ".disabled === false"), "it can be started")
        browser.js(press.replace("terminate", "restart"))
        browser.js("document.getElementById('yes').click()")
        browser.until(f"{state} === 'running'", "and starts, without another question for the token")

        step("nothing is loaded from elsewhere")
        foreign = [url for url in browser.requests if not url.startswith(program.url + "/")]
        assert browser.requests and not foreign, foreign
        browser.js("document.body.append(Object.assign(document.createElement('img'), {src: 'http://127.0.0.1:9/x.png'}))")
        inline = "(() => { const s = document.createElement('script');" \
            " try { s.text = 'window.planted = 1'; document.head.append(s); } catch {} return window.planted; })()"
        assert browser.js(inline) is None
        assert browser.js("(() => { try { document.body.innerHTML = '<b>x</b>'; return 'taken'; } catch { return 'refused'; } })()") == "refused"

        step("the program ends, and the page says so")
        # Those were planted.
        errors = [error for error in browser.errors if not any(known in error for known in PLANTED)]
        assert not errors, errors
        program.close()
        old = r"/^OLD: last seen \d\d:\d\d:\d\d; not connected/.test(document.getElementById('connection').textContent)"
        browser.until(old, "the page says so")
        assert browser.js("document.body.classList.contains('old')"), "the tree is grey"
        texts = "['headline', 'troubles', 'tree'].map(id => document.getElementById(id).innerText).join()"
        before = browser.js(texts)
        assert before.startswith("OLD: last seen "), before
        browser.picture("old")
        time.sleep(2.5)
        assert browser.js(texts) == before, "no time goes on"

        step("the program comes back, and the page is live again")
        program = Program("--control", TOKEN, port=program.url.rsplit(":", 1)[1])
        browser.until("document.getElementById('connection').textContent === 'live'", "it is connected")
        browser.until("!document.body.classList.contains('old')", "the tree is not grey any more")
        browser.until(f"/db failing since .*, \\d+ restarts?, \\d in the (\\d\\.\\d|1\\d) s seen here/.test({said})", "it has seen little of this one")
        assert "that were seen since" in browser.js("document.getElementById('strip').getAttribute('aria-label')")
    finally:
        program.close()


PLANTED = ("127.0.0.1:9", "Content Security Policy", "TrustedHTML", "TrustedScript", "401", "favicon")


def replay(browser):
    step("recordings")
    program = Program()
    try:
        lines, begun = [], time.monotonic()
        with urllib.request.urlopen(f"{program.url}/events", timeout=10) as stream:
            while time.monotonic() - begun < 5:
                line = stream.readline().decode()
                if line.startswith("data: "):
                    lines.append(line[6:])
        browser.call("Page.navigate", url=program.url)
        browser.until("document.getElementById('connection').textContent === 'live'", "the page is there")

        def load(name, lines):
            path = os.path.join(FOLDER, name)
            with open(path, "w") as file:
                file.writelines(lines)
            root = browser.call("DOM.getDocument")["root"]["nodeId"]
            node = browser.call("DOM.querySelector", nodeId=root, selector="#file")["nodeId"]
            browser.call("DOM.setFileInputFiles", nodeId=node, files=[os.path.abspath(path)])

        where = "document.getElementById('where').textContent"
        connection = "document.getElementById('connection').textContent"
        load("recording.jsonl", lines)
        browser.until(f"{where}.startsWith('1 of ')", "it is at its first line")
        browser.js("document.getElementById('step').click()")
        browser.until(f"{where}.startsWith('2 of ')", "one step on")
        last = int(browser.js(where).split(" of ")[1].split(",")[0])
        slide = "(() => { const e = document.getElementById('position'); e.value = %d; e.dispatchEvent(new Event('input')); })()"
        browser.js(slide % last)
        browser.until(f"{where}.startsWith('{last} of {last}, ')", "at the end")
        assert re.fullmatch(r".*, \d\d:\d\d:\d\d", browser.js(where)), "the time of day stands beside it"
        restarts = f"{row('shop.payments.db')}.querySelector('.restarts').textContent"
        browser.until(f"{restarts} === '1'", "the state is that of the end")
        browser.picture("replay")
        browser.js("document.getElementById('back').click()")
        browser.until(f"{where}.startsWith('{last - 1} of {last}, ')", "one step back")
        browser.js(slide % 0)
        browser.until(f"{restarts} === '0'", "the state is that of the beginning")
        browser.js("document.getElementById('speed').value = '100'; document.getElementById('play').click()")
        browser.until(f"{where}.startsWith('{last} of {last}, ')", "it plays to its end", 30)
        # As a simulated run has them: without snapshots.
        load("events.jsonl", [line for line in lines if line.startswith('{"event"')])
        browser.until(f"{where}.startsWith('1 of ')", "events alone are a recording")
        browser.js(slide % 100_000)
        browser.until(f"{row('shop.payments.db')} !== undefined", "the tree is put together from them")
        load("broken.jsonl", ["no JSON\n", "at all\n", "\n"])
        browser.until(f"{connection}.includes('is no JSON')", "a file that is no recording is refused")
        # The stream has begun again meanwhile.
        browser.until(f"{connection} === 'live'", "and the page is live again")
        foreign = [url for url in browser.requests if "recording" in url]
        assert not foreign, foreign
    finally:
        program.close()


def crowd(browser):
    step("ten thousand children")
    program = Program("--crowd", "10000")
    try:
        browser.call("Page.navigate", url=program.url)
        browser.until("document.getElementById('headline').textContent.includes('of 10,0')", "all are counted", 30)
        browser.js("document.getElementById('tree').scrollTop = 1e6")
        browser.until("document.body.innerText.includes('9,900 more')", "most are summed up")
        browser.js("document.querySelector('[data-all]').click()")
        browser.until("document.getElementById('space').offsetHeight > 10000 * 29", "all are rows", 30)
        assert browser.js("document.querySelectorAll('.row').length") < 100
        slowest = browser.js("""(async () => {
            const box = document.getElementById('tree'); let slowest = 0;
            for (let at = 0; at < 40; at += 1) {
                const begun = performance.now();
                box.scrollTop = at * 7000; void box.offsetHeight;
                await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
                slowest = Math.max(slowest, performance.now() - begun);
            }
            return slowest; })()""")
        print(f"  the slowest of 40 scrolls took {slowest:.0f} ms")
        browser.write("filter", "connection_7777")
        took = browser.until("document.querySelectorAll('.row').length === 4", "the filter finds one of them", 5)
        print(f"  a filter took {took * 1000:.0f} ms")
        browser.picture("crowd")
    finally:
        program.close()


def step(text):
    print(f"{time.monotonic() - BEGUN:5.1f} s  {text}", flush=True)


if __name__ == "__main__":
    OBSERVE, FOLDER, *SMALL = sys.argv[1:]
    IS_SMALL = SMALL == ["--small"]
    BEGUN = time.monotonic()
    os.makedirs(FOLDER, exist_ok=True)
    chromium = Browser()
    try:
        look(chromium)
        replay(chromium)
        crowd(chromium)
    finally:
        chromium.close()
    step("all is well")
