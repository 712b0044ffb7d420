// Charts of samples, drawn by uPlot. The numbers beside a chart are its latest, so that nobody needs
// to see the lines to know what they say.

import { element, fill } from "../dom.js";
import { clock, count, rate, short } from "../format.js";

/** What may be looked at: the query that asks for it, and its name. Ages are in seconds. */
export const RANGES = [
  { title: "1 minute", age: 60, step: 5 },
  { title: "10 minutes", age: 600, step: 10 },
  { title: "1 hour", age: 3600, step: 60 },
];

/** What a range is asked for by. */
export function samplesQuery({ age, step }) {
  return { lengths_age: age, lengths_incr: step, msg_rates_age: age, msg_rates_incr: step };
}

/** Counts of messages; `from` answers `{messages…, messages…_details}`. */
export const LENGTHS = {
  title: "Queued messages",
  rates: false,
  series: [
    ["messages", "Total"],
    ["messages_ready", "Ready"],
    ["messages_unacknowledged", "Unacknowledged"],
  ],
};

/** What happens a second, of `message_stats`. */
export const RATES = {
  title: "Message rates",
  rates: true,
  series: [
    ["publish", "Published"],
    ["confirm", "Confirmed"],
    ["deliver_get", "Delivered"],
    ["ack", "Acknowledged"],
    ["redeliver", "Redelivered"],
    ["drop_unroutable", "Unroutable"],
  ],
};

/** The same of a queue, to which what was not routed never came. */
export const QUEUE_RATES = { ...RATES, series: RATES.series.filter(([name]) => name !== "confirm" && name !== "drop_unroutable") };

/** What happens a second at an exchange. */
export const EXCHANGE_RATES = {
  title: "Message rates",
  rates: true,
  series: [
    ["publish_in", "In"],
    ["publish_out", "Out"],
  ],
};

/** The colour of a series, wherever it is shown; see style.css. */
const COLOURS = {
  messages: 0, messages_ready: 1, messages_unacknowledged: 2,
  publish: 0, confirm: 1, deliver_get: 2, ack: 3, redeliver: 4, drop_unroutable: 5,
  publish_in: 0, publish_out: 2,
};

/** The charts that there are, to be drawn anew in other colours. */
const charts = new Set();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts.forEach((chart) => chart.recolour()));

/** Makes a chart. Answers an element and `show(stats, range)`. */
export function chart({ title, rates, series }) {
  const canvas = element("div", { class: "plot", role: "img", "aria-label": title });
  const legend = element("ul", { class: "legend" });
  const node = element("figure", { class: "chart" }, element("figcaption", {}, title), canvas, legend);
  const self = { recolour };
  let plot = null;
  let shown = null;
  let age = RANGES[0].age;

  const observer = new ResizeObserver(() => {
    // A chart that is no more on the page is forgotten.
    if (!node.isConnected) return forget();
    plot?.setSize(size());
  });
  observer.observe(canvas);
  charts.add(self);

  function forget() {
    observer.disconnect();
    charts.delete(self);
    plot?.destroy();
    plot = null;
  }

  function size() {
    return { width: Math.max(canvas.clientWidth, 120), height: 180 };
  }

  function recolour() {
    plot?.destroy();
    plot = null;
    if (shown) draw(shown);
  }

  function show(stats, range = RANGES[0]) {
    age = range.age;
    shown = dataOf(series, rates, stats ?? {});
    draw(shown);
    const latest = series.map(([name, label]) => [label, rates ? rate(stats?.[`${name}_details`]) : count(stats?.[name]), COLOURS[name]]);
    fill(legend, latest.map(([label, text, colour]) => element("li", { "data-key": label, class: `series-${colour}` }, label, " ", element("b", {}, text))));
    canvas.setAttribute("aria-label", `${title}: ${latest.map(([label, text]) => `${label} ${text}`).join(", ")}`);
  }

  function draw(data) {
    if (!node.isConnected) return;
    if (plot) plot.setData(data);
    else plot = new uPlot(options(series, rates, size(), () => age), data, canvas);
  }

  return { element: node, show };
}

/** Columns for uPlot: times in seconds, then each series; null where nothing is known. */
function dataOf(series, rates, stats) {
  const columns = series.map(([name]) => points(stats[`${name}_details`]?.samples ?? [], rates));
  const times = [...new Set(columns.flatMap((column) => [...column.keys()]))].sort((a, b) => a - b);
  // A chart of nothing still says which time it is about.
  if (times.length === 0) times.push(Date.now() / 1000);
  return [times, ...columns.map((column) => times.map((time) => column.get(time) ?? null))];
}

/** Samples, latest first, as time and value. A rate is the difference to the sample before. */
function points(samples, rates) {
  const found = new Map();
  samples.forEach(({ timestamp, sample }, index) => {
    const before = samples[index + 1];
    if (!rates) found.set(timestamp / 1000, sample);
    else if (before) found.set(timestamp / 1000, Math.max(0, (sample - before.sample) / ((timestamp - before.timestamp) / 1000)));
  });
  return found;
}

function options(series, rates, size, age) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: `11px ${style.fontFamily}` };
  return {
    ...size,
    legend: { show: false },
    cursor: { points: { size: 6 }, drag: { x: false, y: false } },
    axes: [
      { ...axis, size: 30, values: (_, times) => times.map((time) => clock(time * 1000)), space: 80, incrs: SECONDS },
      { ...axis, size: 52, values: (_, values) => values.map((value) => (rates ? `${short(value)}/s` : short(value))), incrs: rates ? TENTHS : WHOLE },
    ],
    // The whole time that was chosen, so that a short line is seen to be one.
    scales: { x: { range: (_, __, latest) => [latest - age(), latest] }, y: { range: (_, __, most) => [0, Math.max(most * 1.1, rates ? 2 : 5)] } },
    series: [{}, ...series.map(([name, label]) => ({ label, stroke: colour(`--series-${COLOURS[name]}`), width: 2, points: { show: false } }))],
  };
}

/** Steps of the axis of time. */
const SECONDS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];

/** Steps of an axis that counts things: there are no half messages. */
const WHOLE = [1, 2, 5].flatMap((step) => Array.from({ length: 10 }, (_, power) => step * 10 ** power)).sort((a, b) => a - b);

/** Steps of an axis that measures: none that would have to be rounded. */
const TENTHS = [0.2, 0.5, ...WHOLE];

/** A choice of what time to look at. Calls `change` with a range. */
export function rangeChoice(change) {
  const chosen = (event) => change(RANGES[Number(event.target.value)]);
  return element(
    "label",
    { class: "range" },
    element("span", {}, "Last"),
    element("select", { onchange: chosen }, RANGES.map(({ title }, index) => element("option", { value: index }, title))),
  );
}
