// The HTTP API: JSON in and out, problem documents as errors, the session.

const BASE = "/api/v1";
const SECONDS = 20;

/** An answer that is no success; `status` is 0 when there was none. `message` is one line for people. */
export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }

  /** Whether the key is missing or wrong. */
  get signedOut() {
    return this.status === 401;
  }
}

/** Return the JSON at a path, with these query parameters where they are not empty. */
export function get(path, parameters = {}) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== ""));
  const text = query.toString();
  return call("GET", text ? `${path}?${text}` : path);
}

/** Send JSON and return the answer's, or null when it has none. */
export function post(path, body) {
  return call("POST", path, body);
}

/** Begin a session with a key; raises ApiError when it is the wrong one. */
export function signIn(key) {
  return call("POST", "/session", { key });
}

/** End the session. */
export function signOut() {
  return call("DELETE", "/session");
}

/** Return the address of the live messages. */
export function liveAddress() {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  return `${scheme}//${location.host}${BASE}/live`;
}

async function call(method, path, body) {
  // The header is what a request from another site cannot have.
  const headers = { Accept: "application/json", "X-Requested-With": "ticketstream" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(BASE + path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
      credentials: "same-origin",
      signal: AbortSignal.timeout(SECONDS * 1000),
    });
  } catch (error) {
    const slow = error.name === "TimeoutError";
    throw new ApiError(0, slow ? `the server did not answer within ${SECONDS} s` : "the server cannot be reached");
  }
  if (!answer.ok) throw new ApiError(answer.status, await problem(answer));
  if (answer.status === 204) return null;
  try {
    return await answer.json();
  } catch {
    throw new ApiError(0, "the server’s answer was cut off");
  }
}

async function problem(answer) {
  try {
    const told = await answer.json();
    return told.detail || told.title || `status ${answer.status}`;
  } catch {
    return `the server answered with status ${answer.status}`;
  }
}
