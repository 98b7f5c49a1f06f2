// Live messages by WebSocket, and how they come back after they have stopped.

import { liveAddress } from "./api.js";

const FIRST_WAIT = 0.5;
const LONGEST_WAIT = 8;
/** The server sends every second: a connection silent for this long is none. */
const SILENT_SECONDS = 5;

/**
 * Keeps one connection. Events: "message" (`detail` is the message), and "lost" (`detail.seconds` until the
 * next attempt; `detail.answers` says whether the server does answer, and only live messages do not come).
 * `before` is awaited ahead of each new attempt; when it throws, the attempt has failed, and when it returns
 * false, no more are made.
 */
export class Live extends EventTarget {
  #before;
  #socket = null;
  #timer = 0;
  #silence = 0;
  #failures = 0;
  #runs = false;
  #trying = false;
  #answers = false;

  constructor(before) {
    super();
    this.#before = before;
    addEventListener("online", () => this.#hurry());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.#hurry();
    });
  }

  /** Connect; `answers` says whether the server has just answered. */
  start(answers) {
    this.#runs = true;
    this.#answers = answers;
    this.#failures = 0;
    this.#connect();
  }

  /** Disconnect, and stay so. */
  stop() {
    this.#runs = false;
    clearTimeout(this.#timer);
    this.#drop();
  }

  #connect() {
    this.#drop();
    const socket = new WebSocket(liveAddress());
    this.#socket = socket;
    this.#listen();
    socket.addEventListener("message", (event) => {
      if (socket !== this.#socket) return;
      this.#failures = 0;
      this.#answers = false;
      this.#listen();
      this.dispatchEvent(new CustomEvent("message", { detail: JSON.parse(event.data) }));
    });
    socket.addEventListener("close", () => {
      if (socket === this.#socket) this.#lost();
    });
  }

  #listen() {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#lost(), SILENT_SECONDS * 1000);
  }

  #drop() {
    clearTimeout(this.#silence);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #lost() {
    this.#drop();
    if (!this.#runs) return;
    // Not all watchers at the same moment, or a server that comes back has them all at once.
    const seconds = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.#failures) * (0.75 + Math.random() / 2);
    this.#failures += 1;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#again(), seconds * 1000);
    this.dispatchEvent(new CustomEvent("lost", { detail: { seconds, answers: this.#answers } }));
  }

  #hurry() {
    if (!this.#runs || this.#socket || this.#trying) return;
    clearTimeout(this.#timer);
    this.#again();
  }

  async #again() {
    let go;
    this.#trying = true;
    try {
      go = await this.#before();
      this.#answers = true;
    } catch {
      this.#answers = false;
      this.#lost();
      return;
    } finally {
      this.#trying = false;
    }
    if (!this.#runs) return;
    if (go === false) this.stop();
    else this.#connect();
  }
}
