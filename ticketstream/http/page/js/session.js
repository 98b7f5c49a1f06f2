// Whether this browser has signed in: the session's cookie cannot be read from here.

const KEY = "ticketstream-session";

/** Return whether asking the server is worth it; a browser that keeps nothing always asks. */
export function mayBeSignedIn() {
  try {
    return localStorage.getItem(KEY) !== null;
  } catch {
    return true;
  }
}

/** Remember that a session has begun or ended. */
export function rememberSession(begun) {
  try {
    if (begun) localStorage.setItem(KEY, "1");
    else localStorage.removeItem(KEY);
  } catch {
    // The server is asked at the next visit.
  }
}
