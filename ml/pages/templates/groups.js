"use strict";
// Texts of the shop become text nodes and attributes of fixed names only, never markup.
const CHUNK = 48; // groups that are drawn at a time
const {pictures, represented, blocks, groups: all} = JSON.parse(document.getElementById("data").textContent);
const form = document.getElementById("filters"), list = document.getElementById("groups");
const more = document.getElementById("more"), count = document.getElementById("count");
const PARTS = ["brand", "gender", "article_type"];
let shown = [], drawn = 0, waiting = 0;

for (const group of all) {
  group.block = blocks[group.block];
  const scores = group.products.map(one => one.score).filter(one => one !== null);
  group.score = scores.length ? scores.reduce((a, b) => a + b) / scores.length : -1;
  group.looks = group.products.some(one => one.looks);
  group.changed = Boolean(group.change) || group.products.some(one => one.change);
}

function searched(group) { // made when it is first asked for: the page opens sooner
  return group.words ??= [group.id, ...group.block, ...group.products.flatMap(
    one => [one.id, one.title, one.colour, one.looks])].join("\n").toLowerCase();
}

function choices(name, values) {
  const select = form.elements[name];
  select.append(new Option("all", ""));
  for (const value of [...new Set(values)].sort()) select.append(new Option(value, "=" + value));
}
PARTS.forEach((name, place) => choices(name, blocks.map(block => block[place])));
choices("band", all.map(group => group.band));

const ORDERS = {
  large: (a, b) => b.products.length - a.products.length,
  uncertain: (a, b) => a.score - b.score,
  id: (a, b) => a.id < b.id ? -1 : 1,
};

function filter() {
  const {words, band, size, order, looks, changed} = form.elements;
  const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
  const parts = PARTS.map(name => form.elements[name].value.slice(1));
  const least = Number(size.value) || 2;
  shown = all.filter(group =>
    group.products.length >= least
    && (!band.value || group.band === band.value.slice(1))
    && parts.every((part, place) => !form.elements[PARTS[place]].value
      || group.block[place] === part)
    && (!looks.checked || group.looks) && (!changed.checked || group.changed)
    && (!wanted.length || wanted.every(word => searched(group).includes(word))));
  shown.sort(ORDERS[order.value]); // stable: equals stay in the order of ids
  count.textContent = `${shown.length} of ${all.length} groups`;
  list.replaceChildren();
  drawn = 0;
  draw();
}

function element(name, kind, text) {
  const made = document.createElement(name);
  if (kind) made.className = kind;
  if (text !== undefined) made.textContent = text;
  return made;
}

function card(product, place) {
  const figure = element("figure", place || !represented ? "" : "first");
  const picture = element("img");
  picture.loading = "lazy";
  picture.decoding = "async";
  picture.width = picture.height = 112;
  picture.alt = product.title ?? product.id;
  if (product.picture) picture.src = `${pictures}/${product.picture}.jpg`;
  const caption = element("figcaption");
  caption.append(element("div", "", product.title ?? product.id));
  if (product.title) caption.append(element("div", "", product.id));
  if (product.colour) {
    const line = element("div", "", product.colour);
    if (product.rgb) {
      const swatch = element("span", "swatch");
      swatch.style.background = `rgb(${product.rgb.map(Number).join(",")})`;
      line.prepend(swatch);
    }
    caption.append(line);
  }
  if (product.looks) {
    caption.append(element("div", "looks", `says ${product.colour}, looks ${product.looks}`));
  }
  if (product.score !== null) {
    caption.append(element("div", "", `score ${product.score.toFixed(3)}`));
  }
  if (product.change) caption.append(element("div", "badge", product.change));
  figure.append(picture, caption);
  return figure;
}

function draw() {
  const boxes = document.createDocumentFragment();
  for (const group of shown.slice(drawn, drawn + CHUNK)) {
    const box = element("div", "box"), cards = element("div", "cards");
    const words = `${group.block.join(" · ")} — group ${group.id}: ${group.band}`;
    const tag = element("div", "tag", words);
    if (group.change) tag.append(" ", element("span", "badge", group.change));
    cards.append(...group.products.map(card));
    box.append(tag, cards);
    boxes.append(box);
  }
  drawn = Math.min(drawn + CHUNK, shown.length);
  list.append(boxes);
  more.hidden = drawn >= shown.length;
}

function cell(value) { // a text that a spreadsheet would run gets an apostrophe first
  const text = String(value ?? "");
  return `"${(/^[=+\-@\t\r]/.test(text) ? "'" + text : text).replaceAll('"', '""')}"`;
}

function save() {
  const lines = [["group", "product_id", "title", ...PARTS, "colour", "looks", "score", "band"]];
  for (const group of shown) {
    for (const one of group.products) {
      lines.push([group.id, one.id, one.title, ...group.block, one.colour, one.looks, one.score,
        group.band]);
    }
  }
  const text = lines.map(line => line.map(cell).join(",") + "\n").join("");
  const link = element("a");
  link.href = URL.createObjectURL(new Blob([text], {type: "text/csv"}));
  link.download = "groups-shown.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

form.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(filter, 120); });
form.addEventListener("submit", event => event.preventDefault());
document.getElementById("save").addEventListener("click", save);
more.addEventListener("click", draw);
new IntersectionObserver(seen => { if (seen.some(one => one.isIntersecting)) draw(); },
  {rootMargin: "600px"}).observe(more);
filter();
