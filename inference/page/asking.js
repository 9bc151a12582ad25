/** One question to the service, asked again while it is busy. */

import { predict } from "./api.js";

const ATTEMPTS = 6;
const LONGEST_WAIT = 60;

/**
 * @param {{body: Blob|string, type: string}} question
 * @param {{sending: (sent: number) => void, waiting: (problem: Problem, seconds: number) => void}} watcher - told about
 *   the sent part, 0 to 1, and every second of a wait about the seconds left
 * @param {AbortSignal} signal - ends it; its reason is thrown
 * @returns {Promise<{answer: object, seconds: number}>} seconds of the attempt that was answered
 * @throws {Problem}
 */
export async function ask({ body, type }, watcher, signal) {
  for (let attempt = 1; ; attempt += 1) {
    const started = performance.now();
    try {
      watcher.sending(0);
      const answer = await predict(body, type, watcher.sending, signal);
      return { answer, seconds: (performance.now() - started) / 1000 };
    } catch (problem) {
      const seconds = pause(problem, attempt);
      if (seconds === null) {
        throw problem;
      }
      await wait(seconds, (left) => watcher.waiting(problem, left), signal);
    }
  }
}

/** Seconds until the next attempt: what the service asked for, at least doubling; null when there is none. */
function pause({ status, retryAfter }, attempt) {
  if (status !== 503 || retryAfter === null || attempt === ATTEMPTS) {
    return null;
  }
  const seconds = Math.max(retryAfter, 2 ** (attempt - 1));
  return seconds <= LONGEST_WAIT ? seconds : null;
}

function wait(seconds, onSecond, signal) {
  return new Promise((resolve, reject) => {
    let left = seconds;
    const timer = setInterval(() => {
      left -= 1;
      if (left > 0) {
        onSecond(left);
        return;
      }
      clearInterval(timer);
      resolve();
    }, 1000);
    signal.addEventListener(
      "abort",
      () => {
        clearInterval(timer);
        reject(signal.reason);
      },
      { once: true },
    );
    onSecond(left);
  });
}
