"""Opens a file in headless Chromium and says what became of it: its DOM, console and requests."""

import json
import re
import shutil
import subprocess
from dataclasses import dataclass

PROGRAM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--enable-logging=stderr",
    "--v=0",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--virtual-time-budget=5000",
)
WEBGL = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader")
NO_WEBGL = ("--disable-gpu", "--disable-software-rasterizer", "--disable-3d-apis")


@dataclass
class Visit:
    """What a page did.

    Attributes:
        dom: Its markup at the end.
        console: Lines that it, or the browser about it, wrote to the console.
        requests: Addresses that it asked the network for; the browser's own requests are left out.
    """

    dom: str
    console: list
    requests: list


def visit(url, folder, flags=WEBGL):
    """Open ``url`` with a profile of its own in ``folder``."""
    log = folder / "net.json"
    done = subprocess.run(
        [PROGRAM, *FLAGS, f"--user-data-dir={folder / 'profile'}", f"--log-net-log={log}", *flags, "--dump-dom", url],
        capture_output=True,
        timeout=300,
        check=True,
    )
    console = re.findall(r":CONSOLE:?\S*\] (.*)", done.stderr.decode(errors="replace"))
    console = [line for line in console if "GL Driver Message (OpenGL, Performance" not in line]  # drawing on a CPU
    console = [line for line in console if "GL Driver Message (OpenGL, Performance" not in line]  # drawing on a CPU
    return Visit(done.stdout.decode(), console, _requests(json.loads(log.read_text(encoding="utf-8"))))


def _requests(log):
    kinds = {code: name for name, code in log["constants"]["logEventTypes"].items()}
    started = [event["params"] for event in log["events"] if kinds[event["type"]] == "URL_REQUEST_START_JOB"]
    # A page of a file has the opaque origin "null"; what the browser asks for itself has no origin.
    return [part["url"] for part in started if "url" in part and part.get("initiator") != "not an origin"]
