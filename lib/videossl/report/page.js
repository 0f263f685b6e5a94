// The page without this script is whole; with it, tables are sorted and filtered, clips open in a window of their own, the
// points of a map show their video, and two columns of a table are chosen to compare. All text is set as text.
"use strict";
const make = (tag, attributes = {}, ...inside) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...inside);
  return element;
};
const rowsOf = (table) => [...table.tBodies[0].rows];

// The first number of a cell, without what stands below it; words are compared as words, and what is absent comes last.
const said = (cell) => (cell ? [...cell.childNodes].filter((node) => node.nodeName !== "SMALL") : []).map((node) => node.textContent).join("").trim();
const number = (text) => {
  const found = text.replace("−", "-").replace(/(\d),(?=\d{3})/g, "$1").match(/^[▲▼≈\s]*([-+]?\d+(\.\d+)?(e[-+]?\d+)?)/);
  return found ? Number(found[1]) : NaN;
};
const sort = (table, column, down) => {
  const keyed = rowsOf(table).map((row) => ({row, text: said(row.cells[column]), number: number(said(row.cells[column]))}));
  const words = column === 0 || keyed.every((one) => Number.isNaN(one.number));
  const sign = down ? -1 : 1;
  keyed.sort((a, b) => {
    if (words) return sign * a.text.localeCompare(b.text, "en", {numeric: true});
    if (Number.isNaN(a.number) || Number.isNaN(b.number)) return Number.isNaN(a.number) - Number.isNaN(b.number);
    return sign * (a.number - b.number);
  });
  table.tBodies[0].append(...keyed.map((one) => one.row));
};
const sortable = (table) => {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = make("button", {type: "button", class: "sort"}, ...head.childNodes);
    if (!button.textContent.trim()) button.setAttribute("aria-label", "name");
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.hasAttribute("aria-sort") ? head.getAttribute("aria-sort") === "ascending" : column > 0;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      sort(table, column, down);
    });
  });
};
const filterable = (table, frame) => {
  const input = make("input", {type: "search", placeholder: "filter rows", "aria-label": `filter the rows of ${frame.getAttribute("aria-label")}`});
  const count = make("span", {class: "note", role: "status"});
  input.addEventListener("input", () => {
    const wanted = input.value.toLowerCase().split(/\s+/);
    const rows = rowsOf(table);
    for (const row of rows) row.hidden = !wanted.every((word) => row.textContent.toLowerCase().includes(word));
    count.textContent = input.value ? `${rows.filter((row) => !row.hidden).length} of ${rows.length}` : "";
  });
  frame.before(make("div", {class: "tools"}, input, make("span", {class: "note"}, "a click on a heading sorts"), count));
};
for (const frame of document.querySelectorAll(".scroll")) {
  const table = frame.querySelector("table");
  if (!table || !table.tHead || table.rows.length < 4 || table.matches(".matrix, .pairs")) continue;
  sortable(table);
  if (rowsOf(table).length > 4) filterable(table, frame);
}

// Clips: a click opens one larger, and it plays. The pictures are the symbols of the page.
const makeSvg = (tag) => document.createElementNS(document.querySelector("svg").namespaceURI, tag);
const clip = (film, label) => {
  const [id, count, width, height] = film.split(" ");
  const svg = makeSvg("svg"), use = makeSvg("use");
  svg.setAttribute("class", "clip playing");
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("style", `--n:${count};--rest:${Math.floor(count / 2)}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", label);
  use.setAttribute("href", `#${id}`);
  svg.append(use);
  return svg;
};
const player = make("dialog", {class: "player", "aria-label": "clip"});
document.body.append(player);
player.addEventListener("click", () => player.close());
const open = (film, label, below) => {
  const close = make("button", {type: "button"}, "close");
  player.replaceChildren(clip(film, label), make("p", {}, below), close);
  player.showModal();
};
for (const shown of document.querySelectorAll("[data-clip]")) {
  const tile = shown.closest(".tile");
  const start = () => open(shown.dataset.clip, shown.getAttribute("aria-label"), tile ? tile.innerText.trim() : "");
  shown.setAttribute("role", "button");
  shown.addEventListener("click", start);
  shown.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    start();
  });
}

// Maps: the video of the point that is pointed at, or tapped, stands beside the map; a class may be picked out.
for (const figure of document.querySelectorAll(".mapped")) {
  const peek = figure.querySelector(".peek");
  peek.textContent = "The video of a point that is pointed at, or tapped, stands here.";
  const points = [...figure.querySelectorAll("[data-film]")];
  const look = (event) => {
    const point = event.target.closest("[data-film]");
    if (!point) return;
    const text = point.querySelector("title").textContent;
    peek.replaceChildren(...(point.dataset.film ? [clip(point.dataset.film, text)] : []), make("span", {}, text));
  };
  figure.addEventListener("pointerover", look);
  figure.addEventListener("click", look);
  const classes = [...new Set(points.map((point) => point.dataset.class))].sort();
  if (classes.length < 2) continue;
  const choice = make("select", {"aria-label": "class to pick out"}, make("option", {value: "-1"}, "all classes"));
  classes.forEach((name, place) => choice.append(make("option", {value: place}, name || "(no label)")));
  choice.addEventListener("change", () => {
    for (const point of points) point.classList.toggle("faded", choice.value >= 0 && point.dataset.class !== classes[choice.value]);
  });
  figure.querySelector("figcaption").after(make("div", {class: "tools"}, choice));
}

// By class: the difference of any two columns.
for (const frame of document.querySelectorAll("[data-pair]")) {
  const table = frame.querySelector("table");
  const heads = [...table.tHead.rows[0].cells];
  const last = heads.length - 1;
  const choices = frame.dataset.pair.split(" ").map((column, place) => {
    const select = make("select", {"aria-label": place ? "less" : "difference of"});
    for (let i = 2; i < last; i++) select.append(make("option", {value: i}, said(heads[i]) || heads[i].textContent));
    select.value = column;
    return select;
  });
  const update = () => {
    const [one, other] = choices.map((select) => Number(select.value));
    for (const row of rowsOf(table)) {
      const apart = number(said(row.cells[one])) - number(said(row.cells[other]));
      row.cells[last].textContent = Number.isNaN(apart) ? "–" : `${apart < 0 ? "−" : "+"}${Math.abs(apart).toFixed(1)}`;
    }
    heads[last].querySelector("small").textContent = choices.map((select) => select.selectedOptions[0].textContent).join(" less ");
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    sort(table, last, true);
  };
  choices.forEach((select) => select.addEventListener("change", update));
  frame.prepend(make("div", {class: "tools"}, "difference of ", choices[0], " less ", choices[1]));
}
