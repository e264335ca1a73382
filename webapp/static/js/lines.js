// Comments on single lines, and the editor for the annotator's own version. Without this script there is
// one row to fill in by hand and a plain text field.
(() => {
  const form = document.getElementById("rating");
  if (!form) return;
  const changed = (control) => control.dispatchEvent(new Event("input", { bubbles: true }));

  // ---- comments ----

  const commenting = (section) => {
    const side = section.dataset.side;
    const code = document.getElementById(`${side}-code`);
    const box = document.getElementById(`${side}-comments`);
    const rows = box.querySelector(".comment-rows");
    const badge = box.querySelector("[data-count]");
    const lines = [...code.querySelectorAll(".line")];
    let chosen = -1;

    const fieldFor = (number) => rows.querySelector(`input[data-line="${number}"]`);

    const count = () => {
      const written = [...rows.querySelectorAll("input")].filter((field) => field.value.trim());
      badge.hidden = written.length === 0;
      badge.textContent = String(written.length);
      lines.forEach((line, index) => line.classList.toggle("commented", Boolean(fieldFor(index + 1)?.value.trim())));
    };

    const removed = (row) => {
      row.remove();
      count();
      changed(form.elements.assignment);
      code.focus({ preventScroll: true });
    };

    const remover = (row, number) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "button button-quiet button-small";
      button.textContent = "×";
      button.setAttribute("aria-label", `${box.dataset.remove}: ${box.dataset.label} ${number}`);
      button.addEventListener("click", () => removed(row));
      row.append(button);
    };

    const rowFor = (number) => {
      const name = `${side}_comment_${number}`;
      const row = document.createElement("li");
      row.className = "comment-row";
      const label = document.createElement("label");
      label.htmlFor = name;
      label.textContent = `${box.dataset.label} ${number}`;
      const field = document.createElement("input");
      Object.assign(field, { id: name, name, maxLength: Number(box.dataset.longest) });
      field.dataset.line = String(number);
      row.append(label, field);
      remover(row, number);
      const after = [...rows.children].find((other) => Number(other.querySelector("input").dataset.line) > number);
      rows.insertBefore(row, after ?? null);
      return field;
    };

    const comment = (number) => {
      box.open = true;
      (fieldFor(number) ?? rowFor(number)).focus();
    };

    const choose = (index) => {
      lines[chosen]?.classList.remove("chosen");
      chosen = Math.max(0, Math.min(lines.length - 1, index));
      lines[chosen]?.classList.add("chosen");
      lines[chosen]?.scrollIntoView({ block: "nearest" });
    };

    code.classList.add("commentable");
    code.addEventListener("click", ({ target }) => {
      if (String(getSelection())) return; // Somebody is selecting text, to copy it.
      const index = lines.indexOf(target.closest(".line"));
      if (index >= 0) comment(index + 1);
    });
    code.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step) choose(chosen + step);
      else if (event.key === "c" && lines.length) comment(Math.max(0, chosen) + 1);
      else return;
      event.preventDefault();
    });
    rows.addEventListener("input", count);
    rows.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      const row = event.target.closest(".comment-row");
      if (row && !event.target.value.trim()) removed(row);
      else code.focus({ preventScroll: true });
    });
    for (const row of rows.children) remover(row, row.querySelector("input").dataset.line);
    const spare = box.querySelector(".comment-new");
    spare.hidden = ![...spare.querySelectorAll("input")].some((field) => field.value);
    box.querySelector(".comment-hint").hidden = false;
    count();
  };

  document.querySelectorAll("[data-side]").forEach(commenting);

  // ---- the annotator's own version: the editor comes when it is first asked for ----

  let loaded = false;
  const load = () => {
    if (loaded) return;
    loaded = true;
    const script = document.createElement("script");
    script.src = form.dataset.editor;
    document.head.append(script);
  };
  const editing = (details) => {
    const area = details.querySelector("textarea");
    const open = () => {
      if (!details.open || details.querySelector("aval-editor")) return;
      load();
      const editor = document.createElement("aval-editor");
      editor.setAttribute("for", area.id);
      area.after(editor);
    };
    details.addEventListener("toggle", open);
    open();
  };
  document.querySelectorAll("details.edit").forEach(editing);
})();
