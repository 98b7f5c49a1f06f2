// Puts the page together: who is signed in, what the server says, and what is shown of it.

import { announce } from "./announce.js";
import { get, signOut } from "./api.js";
import { setUpCharts } from "./charts.js";
import { setUpDeadLetters } from "./dead_letters.js";
import { byId, setText } from "./dom.js";
import { setUpFlow } from "./flow.js";
import { clockSeconds } from "./format.js";
import { setUpHeadline } from "./headline.js";
import { setUpImports } from "./imports.js";
import { Live } from "./live.js";
import { setUpSearch } from "./search.js";
import { mayBeSignedIn, rememberSession } from "./session.js";
import { setUpShortcuts } from "./shortcuts.js";
import { setUpSignIn } from "./sign_in.js";
import { setUpTheme } from "./theme.js";

const desk = byId("desk");
const pulse = byId("pulse");

setUpTheme(byId("theme"));
setUpShortcuts();
const form = setUpSignIn(() => {
  rememberSession(true);
  begin();
});
const headline = setUpHeadline();
const charts = setUpCharts();
const letters = setUpDeadLetters();
const views = [headline, setUpFlow(), charts, setUpImports(), letters];
setUpSearch(() => showSignIn("The session has ended: sign in once more."));
const live = new Live(load);
let latest = null;
let connected = true;
let countdown = 0;

live.addEventListener("message", ({ detail }) => {
  if (detail.type === "overview") show(detail.overview);
  if (detail.type === "point") charts.add(detail.point);
});
live.addEventListener("lost", ({ detail }) => (detail.answers ? notLive(detail.seconds) : lost(detail.seconds)));

byId("sign-out").addEventListener("click", async () => {
  live.stop();
  try {
    await signOut();
  } catch (error) {
    announce(`Signing out did not work: ${error.message}`);
    live.start(true);
    return;
  }
  rememberSession(false);
  // Nothing of what was shown stays in the page.
  location.reload();
});

/** Show what there is, then follow it. */
async function begin() {
  form.hide();
  try {
    if (await load()) live.start(true);
  } catch (error) {
    showDesk();
    headline.lost(error.message);
    live.start(false);
  }
}

/** Ask for all of it; returns false when a key is needed. Raises ApiError when there is no answer. */
async function load() {
  try {
    const history = get("/history").catch(() => null);
    show(await get("/overview"));
    const told = await history;
    if (told) charts.history(told);
  } catch (error) {
    if (!error.signedOut) throw error;
    showSignIn(latest ? "The session has ended: sign in once more." : "");
    return false;
  }
  return true;
}

function show(overview) {
  showDesk();
  clearInterval(countdown);
  if (!connected) {
    connected = true;
    announce("Connected again.");
    letters.refresh();
  }
  latest = overview;
  setText(byId("account"), overview.account);
  for (const view of views) view.show(overview);
  pulse.dataset.state = "live";
  setText(byId("pulse-text"), `live · ${clockSeconds(overview.at)}`);
  // Last, so that whoever waits for it finds all of this overview shown.
  desk.dataset.at = overview.at;
}

function lost(seconds) {
  connected = false;
  const until = Date.now() + seconds * 1000;
  const since = latest ? ` Below is what was known at ${clockSeconds(latest.at)}.` : "";
  const words = () => {
    const left = Math.ceil((until - Date.now()) / 1000);
    return `The server does not answer. ${left > 0 ? `Trying again in ${left} s.` : "Trying again…"}${since}`;
  };
  headline.lost(words());
  desk.dataset.stale = "";
  pulse.dataset.state = "lost";
  setText(byId("pulse-text"), "not connected");
  clearInterval(countdown);
  countdown = setInterval(() => headline.reason(words()), 500);
}

/** Say that the server answers, but sends nothing by itself: a proxy in between, or too many who look. */
function notLive(seconds) {
  pulse.dataset.state = "lost";
  setText(byId("pulse-text"), `not live · ${clockSeconds(latest.at)}, again in ${Math.ceil(seconds)} s`);
}

function showDesk() {
  if (desk.hidden) {
    desk.hidden = false;
    byId("sign-out").hidden = false;
    byId("account").hidden = false;
    pulse.hidden = false;
    form.hide();
  }
  delete desk.dataset.stale;
}

function showSignIn(why = "") {
  live.stop();
  clearInterval(countdown);
  rememberSession(false);
  latest = null;
  desk.hidden = true;
  byId("sign-out").hidden = true;
  byId("account").hidden = true;
  pulse.hidden = true;
  document.title = "Sign in · ticketstream";
  form.show(why);
}

if (mayBeSignedIn()) begin();
else showSignIn();
