"""Copy the page's third-party modules from node_modules into the package, with their licenses.

Browsers resolve relative addresses only, without an import map, which the page's Content-Security-Policy would refuse.
So the import of "preact" is rewritten.
"""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).parents[1]
MODULES = ROOT / "node_modules"
VENDOR = ROOT / "gateway/webui/static/vendor"
FILES = {
    "preact.js": ("preact", "dist/preact.mjs"),
    "preact-hooks.js": ("preact", "hooks/dist/hooks.mjs"),
    "htm.js": ("htm", "dist/htm.module.js"),
    "uplot.js": ("uplot", "dist/uPlot.iife.min.js"),  # its module has three times the size
    "uplot.css": ("uplot", "dist/uPlot.min.css"),
    # Its FFT, mel scale and colors only: the player adds a <style> element, which the Content-Security-Policy refuses.
    "wavesurfer-fft.js": ("wavesurfer.js", "dist/fft.js"),
}
"""The file's name in the package, the npm package it is from, and its path there."""

EXPORTS = {"uplot.js": "export default uPlot;\n"}
"""Scripts that are not modules, with the export that makes them one."""

TYPES = {"preact.d.ts": "preact", "preact-hooks.d.ts": "preact/hooks"}


def main() -> None:
    """Write the modules, their types, and LICENSES.md."""
    VENDOR.mkdir(exist_ok=True)
    packages: dict[str, list[str]] = {}
    for name, (package, path) in FILES.items():
        code = (MODULES / package / path).read_text(encoding="utf-8")
        lines = [line for line in code.splitlines() if not line.startswith("//# sourceMappingURL=")]
        code = "\n".join(lines).replace('from"preact"', 'from"./preact.js"')
        (VENDOR / name).write_text(code + "\n" + EXPORTS.get(name, ""), encoding="utf-8")
        packages.setdefault(package, []).append(name)
    for name, module in TYPES.items():
        (VENDOR / name).write_text(f"export * from '{module}';\n", encoding="utf-8")
    for name in ("htm", "uplot"):
        (VENDOR / f"{name}.d.ts").write_text(f"export {{ default }} from '{name}';\n", encoding="utf-8")
    parts = ["# Third-party modules of the page\n\nWritten by `make ui-vendor`.\n"]
    for package, names in packages.items():
        about = json.loads((MODULES / package / "package.json").read_text(encoding="utf-8"))
        files = ", ".join(f"`{name}`" for name in names)
        text = (MODULES / package / "LICENSE").read_text(encoding="utf-8").strip()
        parts.append(f"## {package} {about['version']} ({about['license']})\n\n{files}\n\n```\n{text}\n```\n")
    (VENDOR / "LICENSES.md").write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
