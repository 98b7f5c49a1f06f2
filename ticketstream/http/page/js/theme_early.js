// Not a module, so that it runs before anything is painted: a chosen colour scheme never flashes.
try {
  const chosen = localStorage.getItem("ticketstream-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // A browser that keeps nothing follows the system's colours.
}
