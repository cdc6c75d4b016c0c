"use strict";
(() => {
  const CHUNK = 200;
  const OPTIONS = 400;
  const get = (id) => document.getElementById(id);

  // A link into a folded cause opens it.
  const reveal = () => {
    const target = location.hash.length > 1 && get(location.hash.slice(1));
    if (target && target.tagName === "DETAILS") target.open = true;
  };
  addEventListener("hashchange", reveal);
  reveal();

  // Paper has no folds.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    for (const fold of folded) fold.open = true;
  });
  addEventListener("afterprint", () => {
    for (const fold of folded) fold.open = false;
  });

  const table = get("symbol-table");
  if (!table) return;
  const body = table.tBodies[0];

  // A row is its cells as text: symbol, severity, change, module, lists, users, causes, since; and its classes.
  const rows = [];
  for (const tr of body.rows) {
    const cells = Array.from(tr.cells, (cell) => cell.textContent);
    rows.push({ cells, classes: tr.dataset.c.split(" ") });
  }
  const rest = get("symbol-rest");
  if (rest) {
    for (const line of rest.content.textContent.split("\n")) {
      const part = line.split("\t");
      if (part.length !== 10) continue;
      const [symbol, severity, shielded, change, classes, module, lists, users, causes, since] = part;
      const cells = [symbol, severity, change, module, shielded === "yes" ? lists : "–", users, causes, since];
      rows.push({ cells, classes: classes.split(" ") });
    }
  }
  for (const row of rows) row.text = row.cells.slice(0, 6).join("\n").toLowerCase();

  const [SEVERITY, MODULE, LIST] = [1, 3, 4];
  const fill = (id, of) => {
    const counts = new Map();
    for (const row of rows) for (const value of of(row)) counts.set(value, (counts.get(value) || 0) + 1);
    const all = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, OPTIONS);
    for (const [value, count] of all) {
      if (value === "" || value === "–") continue;
      const option = document.createElement("option");
      option.value = value;
      option.textContent = `${value} (${count.toLocaleString("en")})`;
      get(id).append(option);
    }
  };
  fill("f-severity", (row) => [row.cells[SEVERITY]]);
  fill("f-class", (row) => row.classes);
  fill("f-module", (row) => [row.cells[MODULE]]);
  fill("f-list", (row) => row.cells[LIST].split(", "));

  const build = (row) => {
    const tr = document.createElement("tr");
    row.cells.forEach((text, at) => {
      const cell = document.createElement(at === 0 ? "th" : "td");
      if (at === 0) cell.scope = "row";
      if (at === 0 || at === 7) {
        const code = document.createElement("code");
        code.textContent = text;
        cell.append(code);
      } else if (at === SEVERITY) {
        const badge = document.createElement("span");
        if (/^(fail|warn|note)$/.test(text)) badge.className = `badge ${text}`;
        badge.textContent = text;
        cell.append(badge);
      } else if (at === 6) {
        for (const number of text.split(" ").filter((word) => /^[0-9]+$/.test(word))) {
          const link = document.createElement("a");
          link.href = `#cause-${number}`;
          link.textContent = number;
          cell.append(link, " ");
        }
      } else {
        cell.textContent = text;
      }
      tr.append(cell);
    });
    return tr;
  };

  const more = get("more-rows");
  const count = get("symbol-count");
  let found = rows;
  let shown = 0;
  const say = () => {
    const number = (n) => n.toLocaleString("en");
    const of = found.length === rows.length ? "" : ` of ${number(rows.length)}`;
    const part = shown < found.length ? `, the first ${number(shown)} shown` : "";
    count.textContent = `${number(found.length)}${of} symbols${part}.`;
    more.hidden = shown >= found.length;
  };
  const add = () => {
    const part = document.createDocumentFragment();
    for (const row of found.slice(shown, shown + CHUNK)) part.append(build(row));
    body.append(part);
    shown = Math.min(shown + CHUNK, found.length);
    say();
  };
  const apply = () => {
    const words = get("f-text").value.toLowerCase().split(/\s+/).filter(Boolean);
    const [severity, kind, module, list] = ["f-severity", "f-class", "f-module", "f-list"].map((id) => get(id).value);
    found = rows.filter((row) =>
      (!severity || row.cells[SEVERITY] === severity) &&
      (!kind || row.classes.includes(kind)) &&
      (!module || row.cells[MODULE] === module) &&
      (!list || row.cells[LIST].split(", ").includes(list)) &&
      words.every((word) => row.text.includes(word)));
    shown = 0;
    body.replaceChildren();
    add();
  };
  let timer = 0;
  const form = get("filters");
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(apply, 80);
  });
  form.addEventListener("reset", () => setTimeout(apply, 0));
  more.addEventListener("click", add);
  if ("IntersectionObserver" in window) {
    new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting) && !more.hidden) add();
    }, { rootMargin: "400px" }).observe(more);
  }
  apply();
})();
