"""An area to drop a file on, or to choose one: sent in parts, so that its size does not matter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from atomlens._extras import require
from atomlens.widgets._inbox import Inbox

anywidget = require("anywidget", reason="the upload of files")

_ESM = """
const PART = 1 << 20;  // bytes

function render({ model, el }) {
  const area = document.createElement("label");
  area.className = "atomlens-drop";
  const text = document.createElement("span");
  text.setAttribute("role", "status");
  text.textContent = "Drop a file here, or ";
  const input = document.createElement("input");
  input.type = "file";
  input.setAttribute("aria-label", "Choose a file to upload");
  const bar = document.createElement("progress");
  bar.hidden = true;
  area.append(text, input, bar);
  el.append(area);
  let file = null;

  function begin(chosen) {
    if (!chosen || file) return;
    file = chosen;
    input.disabled = true;
    bar.hidden = false;
    bar.max = Math.max(1, file.size);
    bar.value = 0;
    text.textContent = `Sending ${file.name} `;
    model.send({ kind: "begin", name: file.name, size: file.size });
  }

  function end(words) {
    file = null;
    input.disabled = false;
    input.value = "";
    bar.hidden = true;
    text.textContent = words;
  }

  model.on("msg:custom", async (message) => {
    if (!file) return;  // another view of this widget is sending
    if (message.kind === "next") {
      bar.value = message.at;
      try {
        const part = await file.slice(message.at, message.at + PART).arrayBuffer();
        model.send({ kind: "part" }, undefined, [part]);
      } catch (error) {  // a folder was dropped, or the file is gone
        end("That cannot be read. Drop one file here, or ");
      }
    } else if (message.kind === "end") {
      end("Drop another file here, or ");
    }
  });
  input.addEventListener("change", () => begin(input.files[0]));
  for (const name of ["dragenter", "dragover"]) {
    area.addEventListener(name, (event) => { event.preventDefault(); area.classList.add("over"); });
  }
  area.addEventListener("dragleave", () => area.classList.remove("over"));
  area.addEventListener("drop", (event) => {
    event.preventDefault();
    area.classList.remove("over");
    begin(event.dataTransfer.files[0]);
  });
}

export default { render };
"""

_CSS = """
.atomlens-drop {
  display: block; box-sizing: border-box; padding: 5px 10px; border: 2px dashed #8a8a8a; border-radius: 6px;
  font-size: 13px; color: #333; background: #fafafa; white-space: nowrap; overflow: hidden;
}
.atomlens-drop.over, .atomlens-drop:focus-within { border-color: #0072B2; background: #eaf4fb; }
.atomlens-drop input { font-size: 12px; max-width: 190px; }
.atomlens-drop progress { width: 120px; vertical-align: middle; }
"""


class Upload(anywidget.AnyWidget):
    """An area to drop a file on.

    Parameters
    ----------
    inbox : Inbox
    on_file : callable
        Called with the path of a file when all of it is here.
    on_error : callable
        Called with a sentence when it was refused.
    """

    _esm, _css = _ESM, _CSS

    def __init__(
        self, inbox: Inbox, on_file: Callable[[Path], None], on_error: Callable[[str], None]
    ) -> None:
        super().__init__()
        self.inbox, self._on_file, self._on_error = inbox, on_file, on_error
        self.on_msg(self._receive)

    def _receive(self, _, content, buffers):
        path = None
        try:
            if content.get("kind") == "begin":
                self.inbox.begin(content.get("name", ""), content.get("size", 0))
            elif content.get("kind") == "part":
                path = self.inbox.add(bytes(buffers[0]) if buffers else b"")
        except (ValueError, OSError) as error:
            self.send({"kind": "end"})
            self._on_error(str(error))
            return
        if path is None:
            self.send({"kind": "next", "at": self.inbox.received})
        else:
            self.send({"kind": "end"})
            self._on_file(path)
