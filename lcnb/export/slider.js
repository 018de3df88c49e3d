// The threshold slider of a page: unpacks the cached view, cuts it at the slider's stop, paints, and says what it shows.
// Letters: H, W pixels, h, w cells, S stages, R stops. What is packed, and why it is exact: lcnb/export/view.py.
(function () {
  "use strict";
  const root = document.currentScript.closest(".lcnb-cached");
  const view = JSON.parse(root.querySelector('script[type="application/json"]').textContent);
  const photo = root.querySelector(".lcnb-photo"), readout = root.querySelector('[role="status"]');
  const [H, W] = view.size, [h, w] = view.grid, S = view.stages.length, R = view.stops.length;
  let counts, labels;

  async function unpack() {
    const bytes = Uint8Array.from(atob(view.packed), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    const all = new Uint8Array(await new Response(stream).arrayBuffer());
    counts = all.subarray(0, (S - 1) * h * w);
    labels = all.subarray((S - 1) * h * w);
    for (let i = H * W; i < labels.length; i++) labels[i] ^= labels[i - H * W];
    await photo.decode();
  }

  // The stage each cell exits at: the first exit that it takes at this stop, else the last stage.
  function stagesAt(stop) {
    const stage = new Uint8Array(h * w).fill(S - 1);
    for (let exit = S - 2; exit >= 0; exit--)
      for (let i = 0; i < h * w; i++) if (stop < counts[exit * h * w + i]) stage[i] = exit;
    return stage;
  }

  // A pixel belongs to its nearest cell, as in lcnb.models.exits.to_pixels.
  const nearest = (cells, pixels) =>
    Array.from({ length: pixels }, (_, i) => Math.min(cells - 1, Math.floor(((i + 0.5) * cells) / pixels)));
  const rows = nearest(h, H), columns = nearest(w, W);

  const packed = (colours, alpha) => colours.map(([r, g, b]) => ((alpha << 24) | (b << 16) | (g << 8) | r) >>> 0);
  const over = packed(view.stages, 153), solid = packed(view.colours, 255), [pale] = packed([view.unknown], 255);

  // colourOf(cell, pixel): red in the lowest byte, as canvases keep it on every processor that runs a browser today.
  function fill(canvas, colourOf) {
    const image = new ImageData(W, H), pixels = new Uint32Array(image.data.buffer);
    for (let y = 0, p = 0; y < H; y++)
      for (let x = 0; x < W; x++, p++) pixels[p] = colourOf(rows[y] * w + columns[x], p);
    canvas.getContext("2d").putImageData(image, 0, 0);
  }

  const layer = Object.assign(document.createElement("canvas"), { width: W, height: H });
  function paint(canvas, kind, stop, stage) {
    const names = labels.subarray(stop * H * W, (stop + 1) * H * W);
    if (kind === "stages") {
      const context = canvas.getContext("2d");
      fill(layer, (cell) => over[stage[cell]]); // 153 / 255 = 60 % over the image
      context.drawImage(photo, 0, 0, W, H);
      context.drawImage(layer, 0, 0);
    } else {
      const last = kind === "labels" ? S - 1 : Number(kind);
      fill(canvas, (cell, p) => (stage[cell] <= last ? solid[names[p]] : pale));
    }
  }

  const make = (tag, settings, ...children) => {
    const element = Object.assign(document.createElement(tag), settings);
    element.append(...children);
    return element;
  };
  const percent = (share, digits) => `${(100 * share).toFixed(digits)}%`;
  function swatch([r, g, b]) {
    const square = make("span", { className: "lcnb-swatch" });
    square.style.background = `rgb(${r}, ${g}, ${b})`;
    return square;
  }

  function tell(stop, stage) {
    const left = new Array(S).fill(0);
    for (const s of stage) left[s]++;
    const exits = left.map((n) => n / stage.length);
    let reached = 1, work = 0;
    exits.forEach((share, s) => { work += reached * view.cost[s]; reached -= share; });
    const words = exits.map((share, s) => make("span", { className: "lcnb-stage" }, swatch(view.stages[s]),
      ` stage ${s + 1}: `, make("b", {}, percent(share, 1)), " "));
    const rest = [" (dense outputs re-thresholded) · multiply-adds saved: ", make("b", {}, percent(1 - work, 0))];
    if (view.scores) rest.push(` · mIoU of this image: ${view.scores[stop].toFixed(3)}`);
    readout.replaceChildren(...words, make("br"), make("b", {}, "cached"), ...rest);
    Object.assign(root.dataset, { rho: view.stops[stop], left: left.join(" "), saved: 1 - work, ready: "yes" });
  }

  function build() {
    const slider = make("input", { type: "range", min: 0, max: R - 1, step: 1, value: view.start });
    const value = make("span", { className: "lcnb-value" });
    const panels = view.panels.map(([title, kind]) => {
      const canvas = make("canvas", { width: W, height: H });
      canvas.dataset.kind = kind;
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", title);
      return { canvas, kind, figure: make("figure", {}, make("figcaption", {}, title), canvas) };
    });
    const names = view.classes.map((name, k) => make("li", {}, swatch(view.colours[k]), ` ${name}`));
    readout.before(make("label", { className: "lcnb-control" }, "threshold ρ", slider, value));
    photo.after(make("div", { className: "lcnb-panels" }, ...panels.map((p) => p.figure)),
      make("ul", { className: "lcnb-names" }, ...names.filter((_, k) => view.present.includes(k))));
    photo.hidden = true;
    root.querySelector(".lcnb-static").remove();
    const show = () => {
      const stop = Number(slider.value), stage = stagesAt(stop);
      value.textContent = view.stops[stop];
      slider.setAttribute("aria-valuetext", `rho ${view.stops[stop]}`);
      for (const panel of panels) paint(panel.canvas, panel.kind, stop, stage);
      tell(stop, stage);
    };
    slider.addEventListener("input", show);
    show();
  }

  unpack().then(build).catch((error) => {
    root.querySelector(".lcnb-static").textContent = `The slider needs a newer browser (${error.message}).`;
  });
})();
