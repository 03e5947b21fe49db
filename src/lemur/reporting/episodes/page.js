"use strict";
// Without this script the page shows every item below the other; with it, one at a time, chosen by the address's #id.
const links = [...document.querySelectorAll("#list a")];
const articles = [...document.querySelectorAll("article")];
const field = (id) => document.getElementById(id);
const texts = []; // lower-case text of each item, filled by the first search
let current = -1;

const matches = (index) => {
  const { outcome, ended, part, disagree } = links[index].dataset;
  const wanted = field("outcome").value;
  if (wanted && (wanted === "disagree" ? disagree === undefined : wanted !== outcome)) return false;
  if (field("ended")?.value && field("ended").value !== ended) return false;
  if (field("part")?.value && field("part").value !== part) return false;
  const words = field("text").value.toLowerCase();
  return !words || (texts[index] ??= articles[index].textContent.toLowerCase()).includes(words);
};

const show = (index) => {
  if (index === current) return;
  if (current >= 0) {
    articles[current].hidden = true;
    links[current].removeAttribute("aria-current");
  }
  current = index;
  field("nothing").hidden = index >= 0;
  if (index < 0) return;
  articles[index].hidden = false;
  articles[index].querySelectorAll("img[data-src]").forEach(load);
  links[index].setAttribute("aria-current", "true");
  const list = document.querySelector("nav");
  const top = links[index].offsetTop - list.offsetTop;
  if (top < list.scrollTop || top > list.scrollTop + list.clientHeight - 30) list.scrollTop = top - list.clientHeight / 2;
};

const load = (picture) => { // a picture that nobody kept stays hidden
  if (picture.src) return;
  picture.addEventListener("load", () => { picture.hidden = false; });
  picture.src = picture.dataset.src;
};

const named = () => {
  let id = location.hash.slice(1);
  const byId = () => articles.findIndex((article) => article.id === id);
  if (byId() >= 0) return byId();
  try { id = decodeURIComponent(id); } catch { return -1; }
  return byId();
};

const filter = (event) => {
  const kept = links.map((_, index) => matches(index));
  links.forEach((link, index) => { link.parentElement.hidden = !kept[index]; });
  field("count").textContent = `${kept.filter(Boolean).length} of ${links.length}`;
  if (current < 0 || !kept[current]) {
    const first = kept.indexOf(true);
    if (event && first >= 0) location.replace(links[first].hash); // keeps the address that of what is shown
    show(first);
  }
};

const move = (step) => {
  let index = current;
  do { index += step; } while (links[index]?.parentElement.hidden);
  if (!links[index]) return;
  location.replace(links[index].hash);
  show(index);
};

const fill = (details) => {
  const text = details.querySelector(".text");
  if (!text.textContent) text.textContent = field(`beginning-${details.dataset.beginning}`).textContent;
};

if (links.length) {
  articles.forEach((article) => { article.hidden = true; });
  if (field("beginnings")) field("beginnings").hidden = true;
  field("filters").addEventListener("input", filter);
  field("filters").addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", () => {
    field("unknown").hidden = named() >= 0;
    if (named() >= 0) show(named());
    scrollTo(0, 0);
  });
  addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.matches("input, select")) return;
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") move(event.key === "ArrowLeft" ? -1 : 1);
    else if (event.key === "/") field("text").focus();
    else return;
    event.preventDefault();
  });
  document.addEventListener("toggle", (event) => { if (event.target.dataset.beginning) fill(event.target); }, true);
  document.querySelectorAll("summary a").forEach((link) => {
    link.addEventListener("click", (event) => { // opens in place; the address stays that of the item
      event.preventDefault();
      link.closest("details").open = !link.closest("details").open;
    });
  });
  const asked = location.hash.length > 1 && named() < 0;
  if (named() >= 0) show(named());
  filter();
  field("unknown").hidden = !asked;
  scrollTo(0, 0);
}
