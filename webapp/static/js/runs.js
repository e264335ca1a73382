// The run's page: curves that grow as events arrive, and the parts around them kept up to date.
(function () {
  "use strict";

  const box = document.getElementById("run-curves");
  if (!box) return;
  const charts = new Map();
  // The order of webapp/runs/queries.py.
  const leading = ["reward", "validation_full", "kl", "loss", "accuracy", "syntax", "reward/"];

  function rank(name) {
    if (name.startsWith("seconds_")) return leading.length + 1;
    const found = leading.findIndex((one) => name === one || (one.endsWith("/") && name.startsWith(one)));
    return found < 0 ? leading.length : found;
  }

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function short(value) {
    if (value === null || value === undefined) return "";
    const size = Math.abs(value);
    return size !== 0 && (size < 0.001 || size >= 100000) ? value.toExponential(2) : String(Number(value.toPrecision(4)));
  }

  class Chart {
    constructor(name) {
      this.name = name;
      this.points = new Map();
      this.element = document.createElement("figure");
      this.element.className = "chart";
      this.element.dataset.metric = name;
      const head = document.createElement("figcaption");
      head.className = "chart-head";
      const title = document.createElement("h3");
      title.textContent = name;
      this.value = document.createElement("span");
      this.value.className = "chart-value";
      head.append(title, this.value);
      this.plot = document.createElement("div");
      this.element.append(head, this.plot);
    }

    // A step done again by a later attempt replaces its point.
    add(step, value) {
      this.points.set(step, value);
    }

    data() {
      const steps = [...this.points.keys()].sort((a, b) => a - b);
      return [steps, steps.map((step) => this.points.get(step))];
    }

    draw(anew) {
      const data = this.data();
      this.show(data[0].length - 1, data);
      this.element.dataset.points = String(data[0].length);
      if (this.uplot && !anew) {
        this.uplot.setData(data);
        return;
      }
      if (this.uplot) this.uplot.destroy();
      this.uplot = new window.uPlot(this.options(), data, this.plot);
    }

    show(index, data) {
      const [steps, values] = data;
      if (index === null || index < 0 || index >= steps.length) index = steps.length - 1;
      this.value.textContent = index < 0 ? "" : `${box.dataset.step} ${steps[index]}: ${short(values[index])}`;
    }

    options() {
      const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
      return {
        width: Math.max(200, this.plot.clientWidth),
        height: 200,
        padding: [8, 8, 4, 0],
        scales: { x: { time: false } },
        axes: [
          { ...axis, size: 28, values: (_, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? String(tick) : "")) },
          { ...axis, size: 62, values: (_, ticks) => ticks.map(short) },
        ],
        series: [{}, { stroke: colour("--accent"), width: 2, spanGaps: true, points: { size: 5 } }],
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false } },
        hooks: { setCursor: [(plot) => this.show(plot.cursor.idx, plot.data)] },
      };
    }
  }

  function chart(name) {
    if (!charts.has(name)) {
      const made = new Chart(name);
      const before = [...charts.values()]
        .filter((other) => rank(other.name) > rank(name) || (rank(other.name) === rank(name) && other.name > name))
        .sort((a, b) => rank(a.name) - rank(b.name) || (a.name < b.name ? -1 : 1))[0];
      box.insertBefore(made.element, before ? before.element : null);
      charts.set(name, made);
      document.getElementById("no-curves").hidden = true;
    }
    return charts.get(name);
  }

  let waiting = new Set();
  function drawSoon(changed) {
    if (!waiting.size) {
      requestAnimationFrame(() => {
        const drawn = waiting;
        waiting = new Set();
        drawn.forEach((one) => one.draw(false));
      });
    }
    waiting.add(changed);
  }

  function drawAll() {
    charts.forEach((one) => one.draw(true));
  }

  const stored = JSON.parse(document.getElementById("run-series").textContent);
  for (const [name, points] of Object.entries(stored)) {
    const made = chart(name);
    points.forEach(([step, value]) => made.add(step, value));
  }
  drawAll();

  let width = box.clientWidth;
  new ResizeObserver(() => {
    if (box.clientWidth === width) return;
    width = box.clientWidth;
    drawAll();
  }).observe(box);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);

  if (!box.dataset.events) return;

  // What stands around the curves comes from the server, at most once a second.
  let due = null;
  function refresh() {
    if (due) return;
    due = setTimeout(() => {
      due = null;
      window.htmx.ajax("GET", box.dataset.summary, { target: "#run-head", swap: "outerHTML" });
    }, 1000);
  }

  const source = new EventSource(box.dataset.events);
  source.addEventListener("message", (message) => {
    const { payload } = JSON.parse(message.data);
    for (const [name, value] of Object.entries(payload.metrics ?? {})) {
      const one = chart(name);
      one.add(payload.step, value);
      drawSoon(one);
    }
    const step = document.getElementById("run-step");
    if (payload.metrics && step) step.textContent = payload.step;
    refresh();
  });
  source.addEventListener("end", () => {
    source.close();
    refresh();
  });
})();
