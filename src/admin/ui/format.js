// Numbers and times as people read them.

const WHOLE = new Intl.NumberFormat("en-GB");
const SHORT = new Intl.NumberFormat("en-GB", { notation: "compact", maximumFractionDigits: 1 });
const TIME = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const CLOCK = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

/** Stands for what is not known, or not there. */
export const NONE = "–";

/** A whole number with its thousands apart. */
export function count(value) {
  return typeof value === "number" ? WHOLE.format(value) : NONE;
}

/** A number for little room: 12.3K. */
export function short(value) {
  return typeof value === "number" ? SHORT.format(value) : NONE;
}

/** Something a second, given `{rate}`; what has never happened is not there, and none. */
export function rate(details) {
  const value = details?.rate ?? 0;
  return `${value >= 100 || value === 0 ? WHOLE.format(Math.round(value)) : value.toFixed(1)}/s`;
}

/** Octets, in powers of 1024. */
export function octets(value) {
  if (typeof value !== "number") return NONE;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let index = 0;
  while (value >= 1024 && index < units.length - 1) {
    value /= 1024;
    index += 1;
  }
  return `${value < 10 && index > 0 ? value.toFixed(1) : Math.round(value)} ${units[index]}`;
}

/** Octets a second, given `{rate}`. */
export function octetsRate(details) {
  return typeof details?.rate === "number" ? `${octets(details.rate)}/s` : NONE;
}

/** Milliseconds as the two largest units: 3 d 4 h. */
export function duration(milliseconds) {
  if (typeof milliseconds !== "number") return NONE;
  let rest = Math.floor(milliseconds / 1000);
  const parts = [];
  for (const [unit, seconds] of [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]]) {
    const whole = Math.floor(rest / seconds);
    rest -= whole * seconds;
    if (whole > 0) parts.push(`${whole} ${unit}`);
  }
  return parts.slice(0, 2).join(" ") || "0 s";
}

/** A moment in milliseconds since 1970. */
export function moment(milliseconds) {
  return typeof milliseconds === "number" ? TIME.format(milliseconds) : NONE;
}

/** The time of day. */
export function clock(milliseconds) {
  return CLOCK.format(milliseconds);
}

/** A value of arguments, headers or definitions, as JSON. Text stays text. */
export function value(any) {
  return typeof any === "string" ? any : JSON.stringify(any);
}
