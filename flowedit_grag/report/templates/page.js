"use strict";
const PER_PAGE = 12;

const make = (tag, text, name) => {
  const made = document.createElement(tag);
  if (text) made.textContent = text;
  if (name) made.className = name;
  return made;
};

// ---- tables ------------------------------------------------------------------------------------------------------

const compare = (a, b, sign) => {
  const [x, y] = [a, b].map((cell) => ("value" in cell.dataset ? Number(cell.dataset.value) : null));
  if (x !== null && y !== null) return sign * (x < y ? -1 : x > y ? 1 : 0);
  if (x !== null || y !== null) return x === null ? 1 : -1; // what is not a number comes last, either way
  return sign * a.textContent.localeCompare(b.textContent, undefined, { numeric: true });
};

const sortBy = (head) => {
  const table = head.closest("table");
  const first = head.classList.contains("number") ? "descending" : "ascending";
  const other = first === "ascending" ? "descending" : "ascending";
  const order = head.getAttribute("aria-sort") === first ? other : first;
  for (const each of table.querySelectorAll("[aria-sort]")) each.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", order);
  for (const body of table.tBodies) {
    const rows = [...body.rows];
    rows.sort((a, b) => compare(a.cells[head.cellIndex], b.cells[head.cellIndex], order === "ascending" ? 1 : -1));
    body.append(...rows);
  }
};

const showEdition = (table, edition) => {
  for (const body of table.querySelectorAll("tbody")) body.hidden = body.dataset.edition !== edition;
};

for (const button of document.querySelectorAll(".sortable thead button")) {
  button.addEventListener("click", () => sortBy(button.closest("th")));
}
for (const select of document.querySelectorAll(".choice select")) {
  select.addEventListener("change", () => showEdition(select.closest(".table"), select.value));
}

// ---- gallery -----------------------------------------------------------------------------------------------------

const dialog = document.querySelector("dialog");
dialog.addEventListener("click", () => dialog.close());

const enlarge = (picture, id) => {
  dialog.querySelector("img").src = picture.image;
  dialog.querySelector("figcaption").textContent = `${picture.caption} · ${id}`;
  dialog.showModal();
};

const pictureOf = (picture, id) => {
  const figure = make("figure", "", picture.edit ? "edit" : "");
  if (picture.image) {
    const image = make("img");
    image.src = picture.image;
    image.alt = `${picture.caption}, ${id}`;
    image.addEventListener("click", () => enlarge(picture, id));
    figure.append(image);
  } else {
    figure.append(make("div", picture.reason, "none"));
  }
  const caption = make("figcaption");
  caption.append(make("strong", picture.caption));
  for (const [name, value] of Object.entries(picture.numbers ?? {})) caption.append(make("span", `${name} ${value}`));
  figure.append(caption);
  return figure;
};

const cardOf = (sample) => {
  const card = make("article", "", "card");
  const title = make("h4", sample.id);
  if (sample.task) title.append(make("span", sample.task));
  card.append(title);
  for (const [name, said] of Object.entries(sample.words)) {
    const line = make("p");
    line.append(make("b", `${name.replaceAll("_", " ")}: `), said);
    card.append(line);
  }
  const strip = make("div", "", "strip");
  strip.append(...sample.pictures.map((picture) => pictureOf(picture, sample.id)));
  card.append(strip);
  return card;
};

const gallery = (root) => {
  const samples = JSON.parse(root.querySelector(".samples").textContent);
  const [back, on] = [root.querySelector(".back"), root.querySelector(".on")];
  let [shown, start] = [samples, 0];
  const draw = () => {
    const end = Math.min(start + PER_PAGE, shown.length);
    root.querySelector(".cards").replaceChildren(...shown.slice(start, end).map(cardOf));
    root.querySelector("output").textContent = `${Math.min(start + 1, end)}–${end} of ${shown.length}`;
    [back.disabled, on.disabled] = [start === 0, end === shown.length];
  };
  const turn = (by) => {
    start += by;
    draw();
    root.scrollIntoView();
  };
  back.addEventListener("click", () => turn(-PER_PAGE));
  on.addEventListener("click", () => turn(PER_PAGE));
  draw();
  return (task) => {
    shown = samples.filter((sample) => sample.entries.includes(task));
    start = 0;
    draw();
  };
};

// ---- filter by task ----------------------------------------------------------------------------------------------

for (const comparison of document.querySelectorAll(".comparison")) {
  const filterGallery = gallery(comparison.querySelector(".gallery"));
  comparison.querySelector(".task")?.addEventListener("change", ({ target }) => {
    for (const table of comparison.querySelectorAll('.table[data-choice="task"]')) showEdition(table, target.value);
    for (const row of comparison.querySelectorAll(".failures tbody tr")) {
      row.hidden = !JSON.parse(row.dataset.entries).includes(target.value);
    }
    filterGallery(target.value);
  });
}
