// Renews the page in place. Without this script everything works; the page is then renewed by hand.
// What somebody opened stays open, what he typed stays typed, and while he types or selects nothing is touched.
(() => {
  const every = Number(document.body.dataset.refresh) * 1000;
  const busy = () =>
    document.hidden ||
    ["INPUT", "SELECT", "TEXTAREA"].includes(document.activeElement?.tagName) ||
    String(getSelection()).length > 0;

  async function renew() {
    if (busy()) return;
    let text;
    try {
      const answer = await fetch(location.href, { headers: { "X-Renewal": "1" } });
      if (!answer.ok) throw new Error(answer.status);
      text = await answer.text();
    } catch {
      document.getElementById("lost").hidden = false;
      return;
    }
    if (busy()) return;
    const fresh = new DOMParser().parseFromString(text, "text/html");
    const main = document.querySelector("main");
    const open = new Map([...main.querySelectorAll("details[id]")].map((each) => [each.id, each.open]));
    const focused = document.activeElement?.id;
    const next = fresh.querySelector("main");
    for (const each of next.querySelectorAll("details[id]")) if (open.has(each.id)) each.open = open.get(each.id);
    main.replaceWith(next);
    document.title = fresh.title;
    document.getElementById("lost").hidden = true;
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  }

  if (every) setInterval(renew, every);
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-copy]");
    if (!button) return;
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = button.dataset.done;
  });
})();
