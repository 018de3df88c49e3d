// Search: every section of the book that holds all words. The index is fetched from beside this script at the first key.
(function () {
  "use strict";
  const root = document.body.dataset.root;
  const field = document.getElementById("search"), found = document.getElementById("found");
  const hits = document.getElementById("hits"), most = 12;
  let loading = false;

  function load() {
    if (loading) return;
    loading = true;
    const script = document.createElement("script");
    script.src = `${root}/search.js`;
    script.onload = search;
    script.onerror = () => { found.textContent = "The search index is not there."; };
    document.head.append(script);
  }

  function score([, title, , heading, text], words) {
    const head = `${title} ${heading}`.toLowerCase(), all = `${head} ${text.toLowerCase()}`;
    if (!words.every((word) => all.includes(word))) return 0;
    return words.reduce((sum, word) => sum + (head.includes(word) ? 10 : 0) + Math.min(5, all.split(word).length - 1), 0);
  }

  function snippet(text, words) {
    const at = Math.max(0, Math.min(...words.map((w) => text.toLowerCase().indexOf(w)).filter((i) => i >= 0)));
    const from = Number.isFinite(at) ? Math.max(0, at - 40) : 0;
    return `${from ? "…" : ""}${text.slice(from, from + 130)}…`;
  }

  function search() {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    hits.replaceChildren();
    found.textContent = "";
    if (!words.length || !window.lcnbSearch) return;
    const ranked = window.lcnbSearch.map((entry) => [score(entry, words), entry]).filter(([s]) => s)
      .sort(([a], [b]) => b - a);
    found.textContent = ranked.length ? `${ranked.length} section${ranked.length > 1 ? "s" : ""}` : "nothing found";
    for (const [, [page, title, name, heading, text]] of ranked.slice(0, most)) {
      const link = Object.assign(document.createElement("a"), { href: `${root}/${page}#${name}` });
      link.textContent = heading === title ? title : `${title} › ${heading}`;
      const item = document.createElement("li"), line = document.createElement("p");
      line.textContent = snippet(text, words);
      item.append(link, line);
      hits.append(item);
    }
  }

  field.addEventListener("input", () => { load(); search(); });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !/^(INPUT|TEXTAREA)$/.test(document.activeElement.tagName)) {
      event.preventDefault();
      field.focus();
    }
  });
})();
