// The demo of the front page: choose or drop a picture, label it, and read the class under the pointer.
import { openNetwork } from "./network.js";

const WIDEST = 1024; // pixels of the picture on the page; the network sees fewer
const STEP = 8; // pixels of the labels that an arrow key moves the cross, with Shift one

const find = (id) => document.getElementById(id);
const [stage, picture, overlay, cross] = ["stage", "picture", "labels", "cross"].map(find);
const [status, under, legend] = ["status", "under", "legend"].map(find);
const samples = [...document.querySelectorAll("#samples button")];

const about = await (await fetch(new URL("demo.json", import.meta.url))).json();
const network = openNetwork(about.network.file, about.network.width, about.network.height);
network.catch(() => {}); // `show` reports it

let turn = 0; // of the picture shown last; results of earlier ones are dropped
let result = null; // {labels, width, height, milliseconds}
let at = null; // [column, row] of the cross or the pointer
let colours = Object.values(about.palettes)[0];

/** Show the picture that `open` returns, label it and say how long it took; `button` is that of a sample. */
async function show(name, open, button = null) {
  const mine = ++turn;
  say(`${name} …`, "busy");
  let image;
  try {
    image = await open();
  } catch {
    if (mine === turn) say(`${name} is not a picture that this browser can read: choose a PNG or JPEG file.`, "error");
    return;
  }
  if (mine !== turn) return;
  forget();
  draw(image);
  for (const each of samples) each.setAttribute("aria-pressed", each === button);
  try {
    say(`Loading the network, ${about.network.megabytes} MB, once …`, "busy");
    const label = await network;
    if (mine !== turn) return;
    say(`Labelling ${name} …`, "busy");
    const labelled = await label(picture);
    if (mine !== turn) return;
    result = labelled;
    paint();
    list();
    const shrunk = result.width === image.width ? "" : `, seen at ${result.width} × ${result.height}`;
    const time = `labelled in ${Math.round(result.milliseconds)} ms`;
    say(`${name}: ${time}, ${image.width} × ${image.height} pixels${shrunk}.`);
  } catch (error) {
    const wasm = typeof WebAssembly === "object";
    const cause = wasm ? `The network does not run here (${error.message ?? error})` : "This browser has no WebAssembly";
    if (mine === turn) say(`${cause}: reload the page, or use a current Firefox, Chrome or Safari.`, "error");
  }
}

function say(text, state = "") {
  status.textContent = text;
  status.className = state;
  stage.setAttribute("aria-busy", state === "busy");
}

/** Remove the result of the picture before. */
function forget() {
  result = at = null;
  cross.hidden = true;
  under.textContent = under.dataset.hint;
  overlay.getContext("2d").clearRect(0, 0, overlay.width, overlay.height);
  legend.replaceChildren();
}

function draw(image) {
  const scale = Math.min(1, WIDEST / Math.max(image.width, image.height));
  picture.width = Math.max(1, Math.round(image.width * scale));
  picture.height = Math.max(1, Math.round(image.height * scale));
  const context = picture.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.fillStyle = "white"; // behind transparent pixels
  context.fillRect(0, 0, picture.width, picture.height);
  context.drawImage(image, 0, 0, picture.width, picture.height);
  stage.style.setProperty("--ratio", picture.width / picture.height);
}

/** Draw the labels in the colours of their classes. */
function paint() {
  const { labels, width, height } = result;
  const packed = colours.map(([red, green, blue]) => red | (green << 8) | (blue << 16) | (255 << 24));
  const pixels = new ImageData(width, height);
  new Int32Array(pixels.data.buffer).set(Int32Array.from(labels, (id) => packed[id]));
  overlay.width = width;
  overlay.height = height;
  overlay.getContext("2d").putImageData(pixels, 0, 0);
}

/** List the classes by their share of the picture, for those who cannot see it as well. */
function list() {
  const counts = new Array(about.classes.length).fill(0);
  result.labels.forEach((id) => counts[id]++);
  const ids = counts.map((_, id) => id).filter((id) => counts[id]).sort((a, b) => counts[b] - counts[a]);
  const share = (id) => {
    const percent = (100 * counts[id]) / result.labels.length;
    return percent < 1 ? "< 1 %" : `${Math.round(percent)} %`;
  };
  legend.replaceChildren(
    ...ids.map((id) => {
      const [item, colour] = [document.createElement("li"), document.createElement("i")];
      colour.style.backgroundColor = `rgb(${colours[id]})`;
      item.dataset.id = id;
      item.append(colour, `${about.classes[id]} `, Object.assign(document.createElement("b"), { textContent: share(id) }));
      return item;
    }),
  );
  const largest = ids.slice(0, 5).map((id) => `${about.classes[id]} ${share(id)}`);
  stage.setAttribute("aria-label", `The picture with its labels: ${largest.join(", ")}`);
}

/** Name the class at the column and row `to` of the labels. */
function point(to) {
  if (!result) return;
  const inside = (value, size) => Math.min(Math.max(value, 0), size - 1);
  at = [inside(to[0], result.width), inside(to[1], result.height)];
  const id = result.labels[at[1] * result.width + at[0]];
  under.textContent = about.classes[id];
  for (const item of legend.children) item.classList.toggle("here", Number(item.dataset.id) === id);
}

stage.addEventListener("pointermove", (event) => {
  if (!result) return;
  const box = stage.getBoundingClientRect();
  const [x, y] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  cross.hidden = true;
  point([Math.floor(x * result.width), Math.floor(y * result.height)]);
});

stage.addEventListener("keydown", (event) => {
  const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (!move || !result) return;
  event.preventDefault();
  const step = event.shiftKey ? 1 : STEP;
  const [column, row] = at ?? [result.width >> 1, result.height >> 1];
  point([column + step * move[0], row + step * move[1]]);
  cross.hidden = false;
  cross.style.left = `${(100 * (at[0] + 0.5)) / result.width}%`;
  cross.style.top = `${(100 * (at[1] + 0.5)) / result.height}%`;
});

// Samples, files, and files dropped anywhere on the page

for (const button of samples)
  button.addEventListener("click", () => {
    const url = button.querySelector("img").src;
    show(button.textContent.trim(), async () => createImageBitmap(await (await fetch(url)).blob()), button);
  });

function take(file) {
  if (!file) {
    say("That was not a file: drop a picture, or choose one.", "error");
    return;
  }
  show(file.name, () => createImageBitmap(file));
}

find("file").addEventListener("change", (event) => {
  if (event.target.files.length) take(event.target.files[0]);
  event.target.value = ""; // so that the same file can be chosen again
});
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  stage.classList.add("drop");
});
document.addEventListener("dragleave", () => stage.classList.remove("drop"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  stage.classList.remove("drop");
  take(event.dataTransfer.files[0]);
});

find("opacity").addEventListener("input", (event) => stage.style.setProperty("--opacity", event.target.value / 100));
find("palette").addEventListener("change", (event) => {
  colours = about.palettes[event.target.value];
  if (result) {
    paint();
    list();
  }
});

samples[0].click();
