// A photograph through all stages of a cascade, by ONNX Runtime in the browser; then the slider, and why a cell exits.
// Letters: H, W pixels, h, w cells, S stages, K classes. The rules are those of lcnb.models: exits.py and labels.py.
import * as ort from "./ort/ort.wasm.bundle.min.mjs";
import { explain, make, nearest, percent, swatch } from "./slider.js";

const at = (id) => document.getElementById(id);
const state = at("state"), about = await (await fetch("about.json")).json();
const { stops, classes, colours, stages, cost, longest } = about, S = stages.length, K = classes.length;

ort.env.wasm.wasmPaths = { wasm: new URL("ort/ort-wasm-simd-threaded.wasm", import.meta.url).href };
ort.env.wasm.numThreads = 1; // more need headers that few servers send
let session, image, cell;

// Pixels as torch takes them: (1, 3, H, W) float32 RGB in [0, 1].
function pixelsOf(data, H, W) {
  const found = new Float32Array(3 * H * W);
  for (let p = 0; p < H * W; p++) for (let c = 0; c < 3; c++) found[c * H * W + p] = data[4 * p + c] / 255;
  return found;
}

// All stages on every cell: probabilities and logits (S arrays of K x h x w), and each cell's largest probability.
async function look(pixels, H, W) {
  const out = await session.run({ image: new ort.Tensor("float32", pixels, [1, 3, H, W]) });
  const maps = about.outputs.map((name) => out[name]), [h, w] = maps[0].dims.slice(2), n = h * w;
  const logits = maps.map((map) => map.data);
  const probabilities = logits.map((map) => {
    const found = new Float32Array(K * n);
    for (let i = 0; i < n; i++) {
      let top = -Infinity, sum = 0;
      for (let k = 0; k < K; k++) top = Math.max(top, map[k * n + i]);
      for (let k = 0; k < K; k++) sum += found[k * n + i] = Math.exp(map[k * n + i] - top);
      for (let k = 0; k < K; k++) found[k * n + i] /= sum;
    }
    return found;
  });
  const confidence = probabilities.map((map) => {
    const found = new Float32Array(n);
    for (let k = 0; k < K; k++) for (let i = 0; i < n; i++) found[i] = Math.max(found[i], map[k * n + i]);
    return found;
  });
  return { H, W, h, w, logits, probabilities, confidence };
}

const exits = (confidence, rho) => rho === 0 || (confidence > rho && rho < 1);

// The stage each cell exits at: the first that is sure enough, else the last.
function stagesAt({ confidence, h, w }, rho) {
  const found = new Uint8Array(h * w).fill(S - 1);
  for (let s = S - 2; s >= 0; s--) for (let i = 0; i < h * w; i++) if (exits(confidence[s][i], rho)) found[i] = s;
  return found;
}

// Where a pixel's centre lies between cells' centres: the two cells, and the weight of the second (bilinear).
const between = (cells, pixels) => Array.from({ length: pixels }, (_, i) => {
  const place = Math.max(0, ((i + 0.5) * cells) / pixels - 0.5), first = Math.min(cells - 1, Math.floor(place));
  return [first, Math.min(cells - 1, first + 1), place - first];
});

// (H, W) classes: argmax of the bilinear logits, each cell's from the stage it exited at.
function labelsAt({ logits, H, W, h, w }, stage) {
  const n = h * w, known = new Float32Array(K * n), winner = new Uint8Array(n), found = new Uint8Array(H * W);
  for (let i = 0; i < n; i++)
    for (let k = 0; k < K; k++) {
      known[k * n + i] = logits[stage[i]][k * n + i];
      if (known[k * n + i] > known[winner[i] * n + i]) winner[i] = k;
    }
  const rows = between(h, H), columns = between(w, W);
  for (let y = 0, p = 0; y < H; y++) {
    const [top, bottom, down] = rows[y];
    for (let x = 0; x < W; x++, p++) {
      const [left, right, along] = columns[x];
      const a = top * w + left, b = top * w + right, c = bottom * w + left, d = bottom * w + right;
      found[p] = winner[a];
      if (winner[a] === winner[b] && winner[a] === winner[c] && winner[a] === winner[d]) continue;
      for (let k = 0, most = -Infinity; k < K; k++) {
        const from = k * n, upper = known[from + a] * (1 - along) + known[from + b] * along;
        const value = upper * (1 - down) + (known[from + c] * (1 - along) + known[from + d] * along) * down;
        if (value > most) [most, found[p]] = [value, k];
      }
    }
  }
  return found;
}

function fill(canvas, colourOf, opacity) {
  const { H, W } = image, layer = make("canvas", { width: W, height: H }), data = new ImageData(W, H);
  for (let y = 0, p = 0; y < H; y++)
    for (let x = 0; x < W; x++, p++) data.data.set([...colourOf(y, x, p), 255], 4 * p);
  layer.getContext("2d").putImageData(data, 0, 0);
  Object.assign(canvas, { width: W, height: H });
  const context = canvas.getContext("2d");
  context.drawImage(image.bitmap, 0, 0, W, H);
  context.globalAlpha = opacity;
  context.drawImage(layer, 0, 0);
  context.globalAlpha = 1;
}

function show() {
  const rho = stops[at("rho").value], { h, w, H, W } = image;
  const stage = (image.stage = stagesAt(image, rho)), labels = labelsAt(image, stage);
  const rows = Array.from({ length: H }, (_, y) => nearest(h, H, y) * w);
  const columns = Array.from({ length: W }, (_, x) => nearest(w, W, x));
  fill(at("stages"), (y, x) => stages[stage[rows[y] + columns[x]]], 0.6);
  fill(at("labels"), (y, x, p) => colours[labels[p]], 1);
  at("value").textContent = rho;
  at("rho").setAttribute("aria-valuetext", `rho ${rho}`);
  const left = new Array(S).fill(0);
  for (const s of stage) left[s]++;
  let reached = 1, work = 0;
  left.forEach((count, s) => { work += reached * cost[s]; reached -= count / stage.length; });
  at("readout").replaceChildren(
    ...left.map((count, s) => make("span", { className: "stage" }, swatch(stages[s]), ` stage ${s + 1}: `,
      make("b", {}, percent(count / stage.length, 1)))),
    make("br"), "multiply-adds saved, counted: ", make("b", {}, percent(1 - work)));
  const there = new Set(labels);
  at("names").replaceChildren(...classes.flatMap((name, k) =>
    there.has(k) ? [make("li", {}, swatch(colours[k]), ` ${name}`)] : []));
  Object.assign(at("result").dataset, { rho, left: left.join(" ") });
  if (cell !== undefined) why();
}

// One cell's story: what each stage thinks it is, and where that is enough.
function why() {
  const rho = stops[at("rho").value], n = image.h * image.w;
  const says = image.probabilities.map((map) =>
    classes.map((name, k) => [name, map[k * n + cell]]).sort((a, b) => b[1] - a[1]).slice(0, 3));
  at("why").replaceChildren(make("h2", {}, "Why that stage?"),
    ...explain(stages, says, image.stage[cell], stages.map(() => rho)));
  at("why").dataset.cell = cell;
}

function choose(next) {
  cell = next;
  why();
}

for (const canvas of [at("stages"), at("labels")]) {
  const point = (event) => {
    const box = canvas.getBoundingClientRect(), scale = Math.min(box.width / canvas.width, box.height / canvas.height);
    const x = (event.clientX - box.left) / scale, y = (event.clientY - box.top) / scale, { h, w, H, W } = image;
    if (x >= 0 && y >= 0 && x < W && y < H) choose(nearest(h, H, Math.floor(y)) * w + nearest(w, W, Math.floor(x)));
  };
  canvas.addEventListener("pointermove", point);
  canvas.addEventListener("pointerdown", point);
}
at("stages").addEventListener("keydown", (event) => {
  const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
  if (!step) return;
  event.preventDefault();
  const { h, w } = image, now = cell ?? Math.floor(h / 2) * w + Math.floor(w / 2), within = (v, most) => Math.max(0, Math.min(most - 1, v));
  choose(within(Math.floor(now / w) + step[0], h) * w + within((now % w) + step[1], w));
});
at("rho").addEventListener("input", show);

async function take(blob, name) {
  state.textContent = `Looking at ${name} …`;
  at("result").dataset.ready = "no";
  const bitmap = await createImageBitmap(blob).catch(() => null);
  if (!bitmap) return void (state.textContent = `${name} is no image that this browser can read.`);
  const scale = Math.min(1, longest / Math.max(bitmap.width, bitmap.height));
  const W = Math.max(1, Math.round(bitmap.width * scale)), H = Math.max(1, Math.round(bitmap.height * scale));
  const canvas = make("canvas", { width: W, height: H }), context = canvas.getContext("2d");
  context.fillStyle = "white"; // behind what is transparent
  context.fillRect(0, 0, W, H);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, W, H);
  const began = performance.now();
  await new Promise((done) => setTimeout(done, 20)); // let the message be painted
  const seen = await look(pixelsOf(context.getImageData(0, 0, W, H).data, H, W), H, W);
  [image, cell] = [{ ...seen, bitmap: canvas }, undefined];
  at("result").hidden = false;
  show();
  at("why").replaceChildren(make("h2", {}, "Why that stage?"), "Point at a cell, or choose one with the arrow keys.");
  state.textContent = `${name}: ${W} x ${H} pixels, all stages in ${((performance.now() - began) / 1e3).toFixed(1)} s.`;
  at("result").dataset.ready = "yes";
}

async function start() {
  session = await ort.InferenceSession.create(about.model, { executionProviders: ["wasm"] });
  Object.assign(at("rho"), { max: stops.length - 1, value: stops.indexOf(about.rho) });
  at("classes").textContent = classes.join(", ");
  const given = (files) => files?.length && take(files[0], files[0].name || "your image");
  at("file").addEventListener("change", (event) => given(event.target.files));
  for (const kind of ["dragover", "dragleave", "drop"])
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      at("drop").classList.toggle("over", kind === "dragover");
      if (kind === "drop") given(event.dataTransfer.files);
    });
  document.addEventListener("paste", (event) => given(event.clipboardData.files));
  for (const [name, address] of about.samples) {
    const button = make("button", { type: "button" }, name);
    button.addEventListener("click", async () => take(await (await fetch(address)).blob(), name));
    at("samples").append(button);
  }
  state.textContent = "The network is ready. Give it a photograph.";
  document.body.dataset.ready = "yes";
}

// For tests: the labels of a tensor at rho.
window.labelsOf = async (pixels, H, W, rho) => {
  const seen = await look(Float32Array.from(pixels), H, W);
  return Array.from(labelsAt(seen, stagesAt(seen, rho)));
};
start().catch((error) => { state.textContent = `The network could not be started here (${error.message}).`; });
