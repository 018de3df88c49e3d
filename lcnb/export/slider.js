// The threshold slider, in a page and in JupyterLab: cuts the cached view at the slider's stop, paints it, explains a cell.
// In JupyterLab (anywidget) the kernel sends frames too: true runs, and cached ones between the slider's stops.
// Letters: H, W pixels, h, w cells, n = h w, S stages, R stops, T classes. What is packed, and why: lcnb/export/view.py.
const make = (tag, settings, ...children) => {
  const element = Object.assign(document.createElement(tag), settings);
  element.append(...children);
  return element;
};
const percent = (part, digits = 0) => `${(100 * part).toFixed(digits)}%`;
const nearest = (cells, pixels, i) => Math.min(cells - 1, Math.floor(((i + 0.5) * cells) / pixels));
function swatch([r, g, b]) {
  const square = make("span", { className: "lcnb-swatch" });
  square.style.background = `rgb(${r}, ${g}, ${b})`;
  return square;
}

// What each stage says of a cell that exits at stage `exit`: bars of its likeliest classes, [name, probability] each.
function explain(stages, says, exit, rho) {
  return says.map((best, s) => {
    const last = s === says.length - 1, exits = s === exit;
    const verdict = s > exit ? "not asked: the cell has exited" : last ? "the last stage decides"
      : rho[s] === 0 ? "ρ = 0: every cell exits here" : rho[s] === 1 ? "ρ = 1: no cell exits here"
      : exits ? `more than ρ = ${rho[s]}: it exits here` : `not more than ρ = ${rho[s]}: on to stage ${s + 2}`;
    const bars = best.map(([name, p]) => {
      const scale = make("span", { className: "lcnb-scale" }, make("span", { className: "lcnb-bar" }));
      scale.firstChild.style.width = percent(p, 1);
      if (!last) scale.append(make("span", { className: "lcnb-rho", title: `rho ${rho[s]}` }));
      if (!last) scale.lastChild.style.left = percent(rho[s], 1);
      const number = p > 0.9995 ? ">.999" : p.toFixed(3).slice(1);
      return make("div", { className: "lcnb-row" }, make("span", { className: "lcnb-name", title: name }, name), scale,
        make("span", { className: "lcnb-number" }, number));
    });
    return make("section", { className: s > exit ? "lcnb-says lcnb-skipped" : "lcnb-says" },
      make("p", {}, swatch(stages[s]), make("b", {}, ` Stage ${s + 1}`), `: ${verdict}`), ...bars);
  });
}

async function unpack(view) {
  const bytes = Uint8Array.from(atob(view.packed), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const all = new Uint8Array(await new Response(stream).arrayBuffer());
  const pixels = view.size[0] * view.size[1], n = view.grid[0] * view.grid[1], S = view.stages.length;
  let place = 0;
  const take = (length) => all.subarray(place, (place += length));
  const found = { counts: take((S - 1) * n), labels: take((view.stops.length + 1) * pixels) };
  for (let i = pixels; i < found.labels.length; i++) found.labels[i] ^= found.labels[i - pixels];
  found.dense = found.labels.subarray(found.labels.length - pixels);
  found.tops = take(2 * S * view.top * n);
  found.truth = view.truth ? take(pixels) : null;
  return found;
}

// Fill `root`. `live`: the kernel's side in JupyterLab, else null. Returns what ends it.
function build(root, view, { counts, labels, dense, tops, truth }, photo, live) {
  const [H, W] = view.size, [h, w] = view.grid, S = view.stages.length, R = view.stops.length, n = h * w;
  const rows = Array.from({ length: H }, (_, y) => nearest(h, H, y) * w);
  const columns = Array.from({ length: W }, (_, x) => nearest(w, W, x));
  const values = live ? live.values : [view.stops[view.start]];
  let frame, cell, pinned = false, timer = null, running = false;

  // The stage each cell exits at: the first exit that it takes at this stop, else the last stage.
  function stagesAt(stop) {
    const stage = new Uint8Array(n).fill(S - 1);
    for (let exit = S - 2; exit >= 0; exit--)
      for (let i = 0; i < n; i++) if (view.places[stop][exit] < counts[exit * n + i]) stage[i] = exit;
    return stage;
  }
  const countsOf = (stage) => stage.reduce((found, s) => (found[s]++, found), new Array(S).fill(0));
  function workOf(stage) { // the fraction of the cells that reaches each stage
    let reached = n;
    return countsOf(stage).map((exits) => [reached / n, (reached -= exits)][0]);
  }
  const spent = (work) => work.reduce((sum, part, s) => sum + part * view.cost[s], 0);
  const agreement = (found) => found.reduce((sum, label, p) => sum + (label === dense[p]), 0) / (H * W);
  function cached(stop) {
    const stage = stagesAt(stop), found = labels.subarray(stop * H * W, (stop + 1) * H * W);
    return { mode: "cached", stop, rho: view.places[stop].map((place, exit) => view.levels[exit][place]), stage,
      labels: found, work: workOf(stage), miou: view.scores?.[stop], note: view.notes?.[stop] };
  }
  const stopNow = () => (values.every((v) => v === values[0]) ? view.stops.indexOf(values[0]) : -1);

  // Painting: red in the lowest byte, as canvases keep it on every processor that runs a browser today.
  const packed = (colours, alpha) => colours.map(([r, g, b]) => ((alpha << 24) | (b << 16) | (g << 8) | r) >>> 0);
  const over = packed(view.stages, 153), solid = packed(view.colours, 255), [pale] = packed([view.unknown], 255);
  const colourOf = (label) => solid[label] ?? 0xffffffff;
  function fill(canvas, colour) {
    const image = new ImageData(W, H), pixels = new Uint32Array(image.data.buffer);
    for (let y = 0, p = 0; y < H; y++)
      for (let x = 0; x < W; x++, p++) pixels[p] = colour(rows[y] + columns[x], p);
    canvas.getContext("2d").putImageData(image, 0, 0);
  }
  const layer = make("canvas", { width: W, height: H });
  function paint(canvas, kind) {
    const { stage, labels: found } = frame, context = canvas.getContext("2d");
    if (kind === "image" || kind === "stages") context.drawImage(photo, 0, 0, W, H);
    if (kind === "stages") {
      fill(layer, (i) => over[stage[i]]); // 153 / 255 = 60 % over the image
      context.drawImage(layer, 0, 0);
    } else if (kind !== "image") {
      const last = kind === "labels" ? S - 1 : Number(kind);
      fill(canvas, (i, p) => (stage[i] <= last ? colourOf(found[p]) : pale));
    }
  }

  const panels = view.panels.map(([title, kind]) => {
    const canvas = make("canvas", { width: W, height: H }), mark = make("div", { className: "lcnb-mark", hidden: true });
    canvas.dataset.kind = kind;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", title);
    const box = make("div", { className: "lcnb-box" }, canvas, mark), caption = make("figcaption", {}, title);
    return { canvas, kind, mark, box, caption, title, figure: make("figure", {}, caption, box) };
  });
  root.style.setProperty("--lcnb-aspect", W / H);

  // One cell's story: what each stage thinks it is, and where that is enough.
  const why = make("div", { className: "lcnb-why" });
  why.setAttribute("aria-live", "polite");
  function said(s) {
    const T = view.top, from = (s * T) * n + cell, exact = s < S - 1 ? counts[s * n + cell] : 0;
    return Array.from({ length: T }, (_, t) => {
      let p = tops[S * T * n + from + t * n] / 255;
      if (t === 0 && s < S - 1) // rounded to 1 / 255, and kept on its side of every threshold by the exact count
        p = Math.min(view.levels[s][exact] ?? 1, Math.max((view.levels[s][exact - 1] ?? -1) + 0.0006, p));
      return [view.classes[tops[from + t * n]], p];
    });
  }
  function tellWhy() {
    for (const { mark } of panels) {
      mark.hidden = cell === undefined;
      if (mark.hidden) continue;
      const x = columns.indexOf(cell % w), y = rows.indexOf(cell - (cell % w));
      const right = columns.lastIndexOf(cell % w) + 1, bottom = rows.lastIndexOf(cell - (cell % w)) + 1;
      Object.assign(mark.style, { left: percent(x / W, 3), top: percent(y / H, 3), width: percent((right - x) / W, 3),
        height: percent((bottom - y) / H, 3) });
    }
    if (cell === undefined)
      return why.replaceChildren(make("p", {}, "Point at a cell, tap it, or choose one with the arrow keys: " +
        "each stage's likeliest classes and ρ."));
    const says = Array.from({ length: S }, (_, s) => said(s));
    const aside = make("p", {}, "Bars are the cached outputs; where the cell exits, the true run decided.");
    why.replaceChildren(...explain(view.stages, says, frame.stage[cell], frame.rho), ...(frame.mode === "true" ? [aside] : []));
    why.dataset.cell = cell;
  }
  const choose = (next) => next !== cell && ((cell = next), frame && tellWhy());
  for (const { box, canvas } of panels) {
    const at = (event) => {
      const area = canvas.getBoundingClientRect(), within = (v, most) => Math.max(0, Math.min(most - 1, Math.floor(v)));
      const x = within(((event.clientX - area.left) * W) / area.width, W);
      return rows[within(((event.clientY - area.top) * H) / area.height, H)] + columns[x];
    };
    for (const kind of ["pointermove", "pointerdown"]) box.addEventListener(kind, (event) => pinned || choose(at(event)));
    box.addEventListener("click", (event) => {
      pinned = !(pinned && at(event) === cell); // a click keeps the cell, a second one lets it go
      choose(at(event));
    });
  }
  const keys = panels[panels.findIndex(({ kind }) => kind !== "image")].canvas;
  keys.tabIndex = 0;
  keys.setAttribute("aria-label", `${keys.getAttribute("aria-label")}. Arrow keys choose a cell.`);
  // Caught on its way down, since JupyterLab would take the arrow keys of its cells.
  function pressed(event) {
    if (!root.contains(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.stopPropagation();
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (event.key === "Enter" && event.target.type === "number") event.target.dispatchEvent(new Event("change"));
    if (event.target !== keys) return;
    if (event.key === "Escape") {
      pinned = false;
      choose(undefined);
    }
    if (!step) return;
    event.preventDefault();
    const now = cell ?? Math.floor(h / 2) * w + Math.floor(w / 2), within = (v, most) => Math.max(0, Math.min(most - 1, v));
    pinned = true;
    choose(within(Math.floor(now / w) + step[0], h) * w + within((now % w) + step[1], w));
  }
  window.addEventListener("keydown", pressed, true);

  // A wipe over the last panel: another map from the left, as far as its slider says.
  const last = panels[panels.length - 1], cover = make("canvas", { width: W, height: H, className: "lcnb-cover" });
  const edge = make("div", { className: "lcnb-edge" });
  const others = { dense, ...(truth && { truth }), image: null };
  const other = make("select", {}, ...Object.keys(others).map((name) => make("option", {}, name)));
  const wipe = make("input", { type: "range", min: 0, max: 100, value: 0, className: "lcnb-wipe" });
  other.setAttribute("aria-label", "what to wipe in");
  function cut() {
    cover.style.clipPath = `inset(0 ${100 - wipe.value}% 0 0)`;
    edge.style.left = `${wipe.value}%`;
    edge.hidden = wipe.value === "0";
    last.caption.textContent = edge.hidden ? last.title : `${other.value} | ${last.title}`;
    wipe.setAttribute("aria-valuetext", `${wipe.value}% ${other.value}`);
  }
  function uncover() {
    const found = others[other.value];
    if (found) fill(cover, (_, p) => colourOf(found[p]));
    else cover.getContext("2d").drawImage(photo, 0, 0, W, H);
    cut();
  }
  last.box.append(cover, edge);
  other.addEventListener("change", () => { if (wipe.value === "0") wipe.value = 50; uncover(); });
  wipe.addEventListener("input", cut);

  // The curve: what is left of the work, and what that does to the labels.
  const curve = make("figure", { className: "lcnb-curve" });
  let draw = () => {};
  if (view.controls.length === 1) {
    const points = Array.from({ length: R }, (_, stop) => {
      const { work, labels: found, miou } = cached(stop);
      return [spent(work), miou ?? agreement(found)];
    });
    const heights = points.map(([, y]) => y), low = Math.min(...heights), high = Math.max(...heights, low + 1e-6);
    const at = ([x, y]) => [30 + 180 * Math.min(1, x), 64 - (54 * (y - low)) / (high - low)].map((v) => v.toFixed(1));
    const line = (some) => some.map((point) => at(point).join()).join(" ");
    const name = view.scores ? "mIoU of this image" : "labels as dense";
    curve.innerHTML = `<svg viewBox="0 0 220 92" role="img"><path d="M30 6V68H214"/><polyline class="lcnb-all"/>` +
      `<polyline class="lcnb-past"/><circle r="4"/><text x="26" y="13" text-anchor="end">${high.toFixed(2)}</text>` +
      `<text x="26" y="67" text-anchor="end">${low.toFixed(2)}</text><text x="30" y="80">0</text>` +
      `<text x="210" y="80" text-anchor="end">100%</text><text x="120" y="90" text-anchor="middle">multiply-adds</text></svg>`;
    curve.prepend(make("figcaption", {}, name));
    const [all, past] = curve.querySelectorAll("polyline"), dot = curve.querySelector("circle");
    all.setAttribute("points", line(points));
    draw = () => {
      const now = [spent(frame.work), frame.miou ?? agreement(frame.labels)], [x, y] = at(now);
      if (frame.stop !== undefined) past.setAttribute("points", line(points.slice(0, frame.stop + 1)));
      dot.setAttribute("cx", x);
      dot.setAttribute("cy", Math.max(4, Math.min(68, y)));
      curve.lastChild.setAttribute("aria-label",
        `${name} ${now[1].toFixed(3)} at ${percent(now[0])} of the multiply-adds`);
    };
  }

  // The read-out: text, so that it can be selected, searched and read aloud.
  const status = root.querySelector('[role="status"]') ?? make("div");
  status.setAttribute("role", "status");
  status.setAttribute("aria-live", "polite");
  status.className = "lcnb-readout";
  function tell() {
    const left = countsOf(frame.stage), saved = 1 - spent(frame.work);
    const words = left.map((count, s) => make("span", { className: "lcnb-stage" }, swatch(view.stages[s]),
      ` stage ${s + 1}: `, make("b", {}, percent(count / n, 1)), " "));
    const shown = frame.mode === "cached" ? "dense outputs re-thresholded"
      : `${S === 3 ? "stages 2 and 3" : "the later stages"} really ran on regions`;
    const rest = [` (${shown}) · multiply-adds saved: `, make("b", {}, percent(saved))];
    if (frame.ms !== undefined && frame.ms !== null) rest.push(` · ${frame.ms.toFixed(0)} ms`);
    if (frame.miou !== undefined && frame.miou !== null) rest.push(` · mIoU of this image: ${frame.miou.toFixed(3)}`);
    const note = frame.note ? [make("div", {}, frame.note)] : [];
    status.replaceChildren(...note, ...words, make("br"), make("b", { className: "lcnb-badge" }, frame.mode), ...rest);
    Object.assign(root.dataset, { mode: frame.mode, rho: values.join(" "), left: left.join(" "), saved, ready: "yes" });
  }
  function display(next) {
    [frame, running] = [next, false];
    for (const panel of panels) if (panel.kind !== "image" || !root.dataset.ready) paint(panel.canvas, panel.kind);
    tell();
    draw();
    tellWhy();
  }

  // Controls. While a slider moves, the browser shows the cached view; once it is released, the kernel is asked.
  const runs = live && make("input", { type: "checkbox", checked: live.runs });
  function release() {
    if (!live || !live.runs || running) return;
    running = true;
    live.ask(true);
  }
  function show(released = false) {
    const stop = stopNow();
    if (stop < 0) return live.ask(released && live.runs); // one message: of two, the kernel may get the last only
    display(cached(stop));
    if (released) release();
  }
  const sliders = view.controls.map((title, c) => {
    const range = make("input", { type: "range", min: 0, max: R - 1, step: 1, className: "lcnb-range" });
    const shown = live ? make("input", { type: "number", min: 0, max: 1, step: 0.005 }) : make("span");
    shown.classList.add("lcnb-value");
    if (live) shown.setAttribute("aria-label", `${title}: any value from 0 to 1`);
    const set = (value) => {
      values[c] = value;
      const near = view.stops.reduce((best, stop, i) => (Math.abs(stop - value) < Math.abs(view.stops[best] - value) ? i : best), 0);
      range.value = near;
      range.setAttribute("aria-valuetext", `${view.unit} ${value}`);
      if (live) shown.value = value;
      else shown.textContent = value;
    };
    range.addEventListener("input", () => { end(); set(view.stops[Number(range.value)]); show(); });
    for (const kind of ["change", "pointerup"]) range.addEventListener(kind, release);
    if (live) shown.addEventListener("change", () => {
      const typed = Math.max(0, Math.min(1, Number(shown.value)));
      end();
      set(Number.isFinite(typed) ? typed : values[c]);
      show(true);
    });
    set(values[c]);
    return { set, line: make("div", { className: "lcnb-control" }, make("label", {}, title, range), shown) };
  });
  const play = make("button", { type: "button", className: "lcnb-play" }, "▶ play");
  function end() {
    if (timer === null) return;
    clearInterval(timer);
    timer = null;
    play.textContent = "▶ play";
    status.setAttribute("aria-live", "polite");
  }
  play.addEventListener("click", () => {
    if (timer !== null) return end(), release();
    let stop = stopNow();
    if (stop === R - 1) stop = -1;
    play.textContent = "❚❚ pause";
    status.setAttribute("aria-live", "off"); // else every step is read aloud
    const step = () => {
      if (!root.isConnected || stop === R - 1) return end(), release();
      sliders[0].set(view.stops[++stop]);
      show();
    };
    timer = setInterval(step, 250);
    step();
  });
  const menu = make("select", {}, ...(live?.names ?? []).map((name) => make("option", {}, name)));
  if (live) menu.selectedIndex = live.image;
  menu.addEventListener("change", () => { end(); live.choose(menu.selectedIndex); });
  runs?.addEventListener("change", () => { live.runs = runs.checked; show(runs.checked); });

  const names = view.classes.map((name, k) => make("li", {}, swatch(view.colours[k]), ` ${name}`));
  const undecided = view.panels.some(([, kind]) => kind === "0") ? [make("li", {}, swatch(view.unknown), " undecided")] : [];
  root.querySelector(".lcnb-static")?.remove();
  const controls = make("div", { className: "lcnb-controls" },
    ...(live?.names.length > 1 ? [make("label", {}, "image ", menu)] : []), ...sliders.map(({ line }) => line),
    ...(view.controls.length === 1 ? [play] : []), make("label", { className: "lcnb-wiper" }, "wipe ", wipe), other,
    ...(runs ? [make("label", {}, runs, " true run on release")] : []));
  root.append(controls, status, make("div", { className: "lcnb-panels" }, ...panels.map((p) => p.figure)),
    make("ul", { className: "lcnb-names" }, ...names.filter((_, k) => view.present.includes(k)), ...undecided),
    make("div", { className: "lcnb-below" }, why, curve));
  uncover();
  const accept = (found) => {
    if (found.image !== live.image || found.values?.join() !== values.join() || timer !== null) return;
    if (found.mode === "true" && !live.runs) return;
    if (found.mode === "error") {
      root.dataset.mode = "error";
      return status.replaceChildren(`The true run failed: ${found.message}`);
    }
    const bytes = (part) => new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
    display({ ...found, stage: bytes(found.stage), labels: bytes(found.labels) });
  };
  delete root.dataset.ready;
  if (stopNow() >= 0) show();
  live?.listen(accept);
  return () => {
    end();
    window.removeEventListener("keydown", pressed, true);
  };
}

function startPage(root) {
  const view = JSON.parse(root.querySelector('script[type="application/json"]').textContent);
  const photo = root.querySelector(".lcnb-photo");
  Promise.all([unpack(view), photo.decode()]).then(([packed]) => {
    build(root, view, packed, photo, null);
    photo.hidden = true;
  }).catch((error) => {
    root.querySelector(".lcnb-static").textContent = `The slider needs a newer browser (${error.message}).`;
  });
}

// anywidget's entry. Traits: view, names, asked (image, values, run, turn: from here) and frame (from the kernel).
function render({ model, el }) {
  const root = make("div", { className: "lcnb-cached" }), first = model.get("asked");
  let finish = () => {}, drawing = 0, listener = () => {};
  const live = {
    names: model.get("names"), image: first.image, values: [...first.values], runs: first.run,
    ask(run) {
      const turn = model.get("asked").turn + 1;
      model.set("asked", { image: live.image, values: [...live.values], run, turn });
      model.save_changes();
    },
    choose(image) { live.image = image; live.ask(live.runs); },
    listen(accept) { listener = () => accept(model.get("frame")); listener(); },
  };
  const heard = () => listener();
  async function draw() {
    const mine = ++drawing, view = model.get("view"), photo = make("img", { src: view.photo });
    const [packed] = await Promise.all([unpack(view), photo.decode()]);
    if (mine !== drawing) return;
    finish();
    root.replaceChildren();
    finish = build(root, view, packed, photo, live);
  }
  model.on("change:view", draw);
  model.on("change:frame", heard);
  el.append(root);
  draw();
  return () => {
    finish();
    model.off("change:view", draw);
    model.off("change:frame", heard);
  };
}
