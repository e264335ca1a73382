// The rating page by keyboard, its timer, and drafts that outlive the tab. Without this script the
// page is a plain form that works; htmx sends the drafts (see the form's last element).
(() => {
  // The answer to a rating is the next pair: reloading it, or coming back to it, should not send the rating again.
  const { address } = document.querySelector(".page-head").dataset;
  if (address) history.replaceState(history.state, "", address);

  const form = document.getElementById("rating");
  if (!form) return;
  const { preference, unusable, seconds } = form.elements;
  const saved = document.getElementById("saved");
  const skip = document.getElementById("skip");
  const shortcuts = document.getElementById("shortcuts");
  let unsent = false;
  let submitting = false;

  // ---- choosing ----

  const changed = (control) => control.dispatchEvent(new Event("input", { bubbles: true }));

  const prefer = (radio) => {
    radio.checked = true;
    unusable.checked = false;
    radio.focus({ preventScroll: true });
    changed(radio);
  };

  const toggleUnusable = () => {
    unusable.checked = !unusable.checked;
    if (unusable.checked) clearPreference();
    unusable.focus({ preventScroll: true });
    changed(unusable);
  };

  const clearPreference = () => preference.forEach((radio) => (radio.checked = false));

  form.addEventListener("change", ({ target }) => {
    if (target.name === "preference") unusable.checked = false;
    if (target === unusable && unusable.checked) clearPreference();
  });

  // ---- keys ----

  const typesText = (element) =>
    element.isContentEditable ||
    element.localName === "aval-editor" ||
    element.matches("textarea, select, input:not([type=radio], [type=checkbox], [type=submit], [type=button])");

  const openSkip = () => {
    skip.open = true;
    document.getElementById("skip-reason").focus();
  };

  const showShortcuts = () => (shortcuts.open ? shortcuts.close() : shortcuts.showModal());

  const toggle = (id) => {
    const details = document.getElementById(id);
    if (!details) return;
    details.open = !details.open;
    details.querySelector("summary").focus();
  };

  const openFlag = () => {
    document.getElementById("flag").open = true;
    document.getElementById("flag-problem").focus();
  };

  const undo = () => document.getElementById("undo")?.requestSubmit();

  const keys = {
    u: toggleUnusable,
    s: openSkip,
    f: openFlag,
    z: undo,
    g: () => toggle("guideline"),
    d: () => toggle("difference"),
    "?": showShortcuts,
  };
  document.querySelectorAll("[data-key]").forEach((key) => (key.hidden = false));

  const onEnter = (event) => {
    if (event.target.closest("button, a, summary, #skip, #flag, .last-pair")) return;
    event.preventDefault();
    form.requestSubmit();
  };

  document.addEventListener("keydown", (event) => {
    if (event.repeat || event.defaultPrevented || event.altKey) return;
    if (shortcuts.open) {
      if (event.key === "?") showShortcuts();
      return;
    }
    if (event.ctrlKey || event.metaKey) {
      if (event.key === "Enter") onEnter(event);
      return;
    }
    const aside = event.key === "Escape" && event.target.closest("#skip, #flag, #guideline, #difference");
    if (aside) {
      aside.open = false;
      aside.querySelector("summary").focus();
      return;
    }
    if (typesText(event.target)) return;
    if (event.key === "Enter") return onEnter(event);
    const action = /^[1-7]$/.test(event.key) ? () => prefer(preference[event.key - 1]) : keys[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });

  const opener = document.getElementById("show-shortcuts");
  opener.hidden = false;
  opener.addEventListener("click", showShortcuts);

  // ---- time spent looking at the page ----

  const timer = document.getElementById("timer");
  let spent = Number(seconds.value) || 0;
  const showTime = () => {
    timer.querySelector(".num").textContent = `${Math.floor(spent / 60)}:${String(Math.floor(spent % 60)).padStart(2, "0")}`;
  };
  timer.hidden = false;
  showTime();
  setInterval(() => {
    if (document.hidden) return;
    spent += 1;
    seconds.value = String(spent);
    showTime();
  }, 1000);

  // ---- the lease, renewed while somebody is at the page ----

  const IDLE = 5 * 60_000;
  const BEAT = 60_000;
  let lastSeen = Date.now();
  for (const kind of ["pointermove", "keydown", "scroll"]) {
    document.addEventListener(kind, () => (lastSeen = Date.now()), { passive: true });
  }
  setInterval(async () => {
    if (document.hidden || submitting || Date.now() - lastSeen > IDLE) return;
    const body = new FormData();
    for (const name of ["csrfmiddlewaretoken", "assignment"]) body.set(name, form.elements[name].value);
    try {
      const answer = await fetch(form.dataset.renew, { method: "POST", body });
      if (answer.ok && !answer.redirected && !(await answer.json()).held) saved.textContent = form.dataset.over;
    } catch {
      // No connection: the next draft says so.
    }
  }, BEAT);

  // ---- drafts ----

  const localTimes = () =>
    saved.querySelectorAll("time").forEach((time) => {
      const options = { hour: "2-digit", minute: "2-digit" };
      time.textContent = new Date(time.dateTime).toLocaleTimeString(document.documentElement.lang, options);
    });

  const notSaved = () => (saved.textContent = form.dataset.unsaved);

  form.addEventListener("input", () => (unsent = true));
  const ofDraft = ({ detail }) => detail.target === saved;
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    // Signed out in another tab: the answer is the sign-in page, which does not belong here.
    if (event.detail.xhr.responseURL.endsWith(event.detail.requestConfig.path)) return;
    event.detail.shouldSwap = false;
    if (ofDraft(event)) notSaved();
  });
  document.body.addEventListener("htmx:afterSwap", (event) => {
    if (!ofDraft(event)) return;
    unsent = false;
    localTimes();
  });
  for (const failure of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
    document.body.addEventListener(failure, (event) => ofDraft(event) && notSaved());
  }
  window.addEventListener("pagehide", () => {
    if (unsent && !submitting) navigator.sendBeacon(form.dataset.draft, new FormData(form));
  });

  // ---- sending once ----

  form.addEventListener("submit", (event) => {
    if (submitting) event.preventDefault();
    submitting = true;
  });
  window.addEventListener("pageshow", () => (submitting = false));
})();
