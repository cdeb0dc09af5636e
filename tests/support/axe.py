"""Runs axe-core over every page of a report in headless Chromium, wide and narrow: python tests/axe.py REPORT AXE.

REPORT is a report folder, AXE the file axe.min.js of the npm package axe-core; chromium must be on PATH. Prints the
violations and pages that scroll sideways; exits 1 if there are any. Not part of `make test`: Chromium is no dependency.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--virtual-time-budget=60000")
WIDTHS = (1280, 390)
CALL = """<pre id="axe-result"></pre><script>
document.querySelectorAll("details").forEach(one => one.open = true);
addEventListener("load", () => axe.run({resultTypes: ["violations"]}).then(found => {
  const list = found.violations.map(v => ({id: v.id, impact: v.impact, nodes: v.nodes.map(n => n.target.join(" "))}));
  document.getElementById("axe-result").textContent = JSON.stringify({list, wide: document.documentElement.scrollWidth,
    window: innerWidth});
}));</script>"""

FRAME = """<!DOCTYPE html><title>frame</title><iframe id="f" style="width:%dpx;height:900px" src="%s"></iframe>
<pre id="out"></pre><script>
setInterval(() => {
  const found = document.getElementById("f").contentDocument.getElementById("axe-result");
  if (found) document.getElementById("out").textContent = found.textContent;
}, 200);
</script>"""


def check(page: Path, axe: str, width: int) -> list[str]:
    """One line per fault of a page at a window's width. The page is tried in a copy beside itself."""
    copy = page.with_name(f".axe-{page.name}")
    # A frame has the width that is asked for; the window itself cannot be narrower than 500 pixels.
    frame = page.with_name(f".axe-frame-{page.name}")
    text = page.read_text(encoding="utf-8")
    copy.write_text(text.replace("</body>", f"<script>{axe}</script>{CALL}</body>"), encoding="utf-8")
    frame.write_text(FRAME % (width, copy.name), encoding="utf-8")
    try:
        with tempfile.TemporaryDirectory() as profile:
            done = subprocess.run([shutil.which("chromium") or "chromium", *FLAGS, f"--user-data-dir={profile}",
                                   "--allow-file-access-from-files", "--dump-dom", frame.as_uri()],
                                  capture_output=True, text=True, timeout=300)
    finally:
        copy.unlink()
        frame.unlink()
    found = re.search(r'<pre id="out">(\{.*?)</pre>', done.stdout, re.DOTALL)
    if not found:
        return [f"{page.name}: axe gave no answer"]
    result = json.loads(found[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    lines = [f"{page.name} at {width}: {v['impact']} {v['id']}: {', '.join(v['nodes'][:3])}" for v in result["list"]]
    if result["wide"] > result["window"]:
        lines.append(f"{page.name} at {width}: {result['wide']} pixels wide")
    return lines


def main(report: str, axe: str) -> int:
    library, faults = Path(axe).read_text(encoding="utf-8"), []
    pages = sorted(path for path in Path(report).resolve().glob("*.html") if not path.name.startswith("."))
    for page in pages:
        for width in WIDTHS:
            faults += check(page, library, width)
    print(*faults, f"{len(pages)} pages at {len(WIDTHS)} widths: {len(faults)} faults", sep="\n")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
