// The switch between light, dark and what the system says.

const KEY = "ticketstream-theme";

/** Make the radio buttons in `group` choose the colours, now and at the next visit. */
export function setUpTheme(group) {
  const root = document.documentElement;
  const current = root.dataset.theme ?? "auto";
  for (const radio of group.querySelectorAll("input")) {
    radio.checked = radio.value === current;
    radio.addEventListener("change", () => choose(root, radio.value));
  }
}

function choose(root, theme) {
  if (theme === "auto") delete root.dataset.theme;
  else root.dataset.theme = theme;
  try {
    if (theme === "auto") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
    // It holds for this visit then.
  }
}
