/** Figures and errors in words. */

/** 0.9712 → "97.1%" */
export function percent(part) {
  return part > 0 && part < 0.0005 ? "<0.1%" : `${(100 * part).toFixed(1)}%`;
}

/** 1234567 → "1.2 MB" */
export function bytes(count) {
  const [unit, name] = count < 1e6 ? [1e3, "kB"] : [1e6, "MB"];
  const figure = count / unit;
  return `${figure.toFixed(figure < 10 ? 1 : 0)} ${name}`;
}

/** 0.0123 → "12 ms" */
export function duration(seconds) {
  return seconds < 1 ? `${Math.max(1, Math.round(1000 * seconds))} ms` : `${seconds.toFixed(1)} s`;
}

const TITLES = {
  0: "The service cannot be reached",
  400: "This photo cannot be read",
  408: "Sending took too long",
  413: "This photo is too large",
  415: "This is not a photo that the model can read",
  422: "These measurements do not fit",
  503: "The service is busy",
  504: "The answer took too long",
};
const ADVICE = {
  0: "Check the connection, then try again.",
  400: "The file is damaged or incomplete. Choose another file.",
  408: "The connection is slow. Try again, or choose a smaller photo.",
  413: "Choose a smaller file.",
  415: "Choose another file.",
  503: "Try again in a while.",
  504: "Try again in a while.",
};

/** What happened and what to do about it. */
export function explain({ status, message }) {
  return {
    title: TITLES[status] ?? "The service failed",
    message,
    advice: ADVICE[status] ?? (status < 500 ? "" : "Try again in a while."),
    worthRepeating: status === 0 || status === 408 || status >= 500,
  };
}
