// Keys: data-key="s" on a button or link makes that key press it. Nothing else needs this script.
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input:not([type=radio], [type=checkbox]), select, textarea");
  if (document.body.dataset.keys === "off") return; // for whoever dictates (WCAG 2.1.4)
  if (typing || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const wanted = [...document.querySelectorAll("[data-key]")].find(
    (one) => one.dataset.key.toLowerCase() === event.key.toLowerCase() && !one.disabled,
  );
  if (!wanted) return;
  event.preventDefault();
  if (wanted.matches("summary")) wanted.focus(); // so that Tab leads into what it opens
  wanted.click();
});
// A form is sent once, however often its button is pressed.
document.addEventListener("submit", (event) => {
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
});
window.addEventListener("pageshow", () => {
  for (const form of document.forms) delete form.dataset.sent;
});
