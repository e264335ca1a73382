// <aval-editor for="ID">: CodeMirror over the textarea with that id, which keeps the value and is
// what stays when scripts are off. It lives in a shadow root, where CodeMirror's style sheets are
// constructed ones, so the content security policy needs no exception.
import { basicSetup } from "codemirror";
import { python } from "@codemirror/lang-python";
import { EditorView } from "@codemirror/view";

class AvalEditor extends HTMLElement {
  connectedCallback() {
    const area = document.getElementById(this.getAttribute("for"));
    if (!area || this.view) return;
    const root = this.attachShadow({ mode: "open" });
    this.view = new EditorView({
      doc: area.value,
      root,
      parent: root,
      extensions: [
        basicSetup,
        python(),
        EditorView.contentAttributes.of({ "aria-label": area.labels[0]?.textContent.trim() ?? "" }),
        EditorView.updateListener.of((update) => {
          if (!update.docChanged) return;
          area.value = update.state.doc.toString();
          area.dispatchEvent(new Event("input", { bubbles: true }));
        }),
      ],
    });
    area.hidden = true;
  }
}

customElements.define("aval-editor", AvalEditor);
