"use strict";
/* The report reads without this script; it adds sorting, a theme switch, and opening everything for print. */
(() => {
  const root = document.documentElement;

  /* --- theme: auto, light, dark; kept where the browser lets a local file keep anything --- */
  const order = ["auto", "light", "dark"];
  const asked = new URLSearchParams(location.search).get("theme");
  let theme = asked;
  if (!order.includes(theme)) {
    try { theme = localStorage.getItem("evalkit-theme"); } catch { theme = null; }
  }
  const button = document.getElementById("theme");
  const show = (name) => {
    theme = order.includes(name) ? name : "auto";
    if (theme === "auto") { delete root.dataset.theme; } else { root.dataset.theme = theme; }
    button.querySelector(".state").textContent = theme;
  };
  show(theme);
  button.hidden = false;
  button.addEventListener("click", () => {
    show(order[(order.indexOf(theme) + 1) % order.length]);
    try { localStorage.setItem("evalkit-theme", theme); } catch { /* a file that may not store: fine */ }
  });

  /* --- sorting: rising, falling, then the suite's own order; what has no value stays last --- */
  const table = document.getElementById("metric-table");
  const sort = (head, direction) => {
    const body = table.tBodies[0];
    const column = head.cellIndex;
    const kind = head.querySelector("button").dataset.kind;
    const rows = Array.from(body.rows);
    for (const other of table.querySelectorAll("th[aria-sort]")) { other.setAttribute("aria-sort", "none"); }
    if (direction !== "none") { head.setAttribute("aria-sort", direction); }
    const sign = direction === "descending" ? -1 : 1;
    const value = (row) => row.cells[column].dataset.value ?? "";
    rows.sort((a, b) => {
      if (direction === "none") { return a.dataset.place - b.dataset.place; }
      const left = value(a), right = value(b);
      if (left === "" || right === "") { return (left === "") - (right === ""); }
      const gap = kind === "number" ? Number(left) - Number(right) : left.localeCompare(right, "en", { numeric: true });
      return sign * gap || a.dataset.place - b.dataset.place;
    });
    body.append(...rows);
  };
  if (table) {
    Array.from(table.tBodies[0].rows).forEach((row, place) => { row.dataset.place = place; });
    const next = { none: "descending", descending: "ascending", ascending: "none" };
    const nextText = { none: "ascending", ascending: "descending", descending: "none" };
    for (const head of table.querySelectorAll("th[aria-sort]")) {
      const press = head.querySelector("button");
      press.addEventListener("click", () => {
        sort(head, (press.dataset.kind === "text" ? nextText : next)[head.getAttribute("aria-sort")]);
      });
    }
    /* report.html#sort=2,descending opens sorted; links can point at a view. */
    const wanted = /^#sort=(\d+),(ascending|descending)$/.exec(location.hash);
    const head = wanted && table.tHead.rows[0].cells[Number(wanted[1])];
    if (head && head.hasAttribute("aria-sort")) { sort(head, wanted[2]); }
  }

  /* --- a record or section that is linked to is opened; print shows everything that is folded but long texts --- */
  addEventListener("beforeprint", () => {
    for (const fold of document.querySelectorAll("details.group, details.more")) { fold.open = true; }
  });
  root.dataset.ready = "yes";
})();
