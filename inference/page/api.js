/** The service, as the page asks it. */

/** Why there is no answer. `status` is 0 when nothing came back. */
export class Problem extends Error {
  constructor(message, { status = 0, code = "unreachable", retryAfter = null, requestId = null } = {}) {
    super(message);
    Object.assign(this, { status, code, retryAfter, requestId });
  }
}

/** Read one of the service's documents; null when it cannot be had. */
export async function read(path) {
  try {
    const response = await fetch(path);
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
}

/**
 * POST to /predict and return the answer. XMLHttpRequest, because fetch does not tell how much has been sent.
 *
 * @param {Blob|string} body
 * @param {string} type - content type of the body
 * @param {(sent: number) => void} onProgress - called with the sent part of the body, 0 to 1
 * @param {AbortSignal} signal - ends the request; its reason is thrown
 * @throws {Problem}
 */
export function predict(body, type, onProgress, signal) {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const request = new XMLHttpRequest();
    let sent = 0;
    request.open("POST", "predict");
    request.setRequestHeader("Content-Type", type);
    request.upload.onprogress = ({ loaded, total }) => onProgress((sent = loaded / total));
    request.upload.onload = () => onProgress((sent = 1));
    request.onload = () => {
      const answer = parse(request.responseText);
      if (request.status === 200 && answer) {
        resolve(answer);
      } else {
        reject(refusal(request, answer));
      }
    };
    request.onerror = () => reject(unreachable(sent));
    request.onabort = () => reject(signal.reason);
    signal.addEventListener("abort", () => request.abort(), { once: true });
    request.send(body);
  });
}

function refusal(request, answer) {
  // A balancer in front of the service answers in HTML, and without these headers.
  const { code = "unexpected", message = `The answer was HTTP status ${request.status}.` } = answer?.error ?? {};
  const seconds = Number.parseInt(request.getResponseHeader("Retry-After"), 10);
  return new Problem(message, {
    status: request.status,
    code,
    retryAfter: Number.isNaN(seconds) ? null : seconds,
    requestId: request.getResponseHeader("X-Request-Id"),
  });
}

function unreachable(sent) {
  if (!navigator.onLine) {
    return new Problem("This device is offline.");
  }
  return new Problem(sent > 0 && sent < 1 ? "The connection was lost on the way." : "There was no answer.");
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
