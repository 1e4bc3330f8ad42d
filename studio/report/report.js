// The report's behaviour: filters, search, order, thumbs and notes. No network, no libraries; without it the page still shows everything.
(() => {
  const list = document.getElementById("list");
  const cards = [...list.querySelectorAll(".question")];
  const [search, filter, category, order, shown] = ["search", "filter", "category", "order", "shown"].map((id) =>
    document.getElementById(id),
  );
  const plain = (text) => text.normalize("NFKC").toLowerCase();
  const texts = new Map(cards.map((card) => [card, plain(card.textContent)]));
  const viewed = (card) =>
    card.querySelector('[aria-pressed="true"]') !== null || [...card.querySelectorAll(".note")].some((note) => note.value !== "");
  const passes = {
    all: () => true,
    differs: (card) => card.dataset.differs === "1",
    silent: (card) => card.dataset.silent === "1",
    thumbs: viewed,
  };

  function apply() {
    const words = plain(search.value)
      .split(/\s+/u)
      .filter((word) => word !== "");
    let count = 0;
    for (const card of cards) {
      const inCategory = !category || category.value === "" || card.dataset.category === category.value;
      const visible = inCategory && passes[filter.value](card) && words.every((word) => texts.get(card).includes(word));
      card.hidden = !visible;
      if (visible) count++;
    }
    shown.textContent = shown.dataset.words.replace("{shown}", count).replace("{all}", cards.length);
  }

  function sort() {
    const worst = (card) => (card.dataset.worst === "" ? 2 : Number(card.dataset.worst));
    list.append(...(order.value === "worst" ? [...cards].sort((a, b) => worst(a) - worst(b)) : cards));
  }

  for (const control of [search, filter, category, order]) control?.addEventListener("input", apply);
  order.addEventListener("input", sort);
  const bar = document.querySelector(".filters");
  bar.addEventListener("submit", (event) => event.preventDefault());
  // What is jumped to, or focused by the keyboard, must not come to lie under the filters, which stay at the top of wide windows.
  const makeRoom = () => {
    document.documentElement.style.scrollPaddingTop = getComputedStyle(bar).position === "sticky" ? `${bar.offsetHeight + 8}px` : "";
  };
  makeRoom();
  new ResizeObserver(makeRoom).observe(bar);

  let unsaved = false;
  list.addEventListener("click", (event) => {
    const thumb = event.target.closest(".thumb");
    if (!thumb) return;
    const pressed = thumb.getAttribute("aria-pressed") !== "true";
    for (const each of thumb.parentElement.querySelectorAll(".thumb")) each.setAttribute("aria-pressed", String(each === thumb && pressed));
    unsaved = true;
  });
  list.addEventListener("input", () => {
    unsaved = true;
  });

  // The file that the next report reads: `remora report --notes`.
  document.getElementById("save").addEventListener("click", () => {
    const notes = [];
    for (const card of cards) {
      for (const answer of card.querySelectorAll(".answer[data-variant]")) {
        const thumb = answer.querySelector('.thumb[aria-pressed="true"]')?.dataset.thumb;
        const note = answer.querySelector(".note").value.trim();
        if (thumb || note)
          notes.push({ variant: answer.dataset.variant, id: card.dataset.id, ...(thumb && { thumb }), ...(note && { note }) });
      }
    }
    const link = document.createElement("a");
    link.href = `data:application/json;charset=utf-8,${encodeURIComponent(`${JSON.stringify({ notes }, null, 2)}\n`)}`;
    link.download = "notes.json";
    link.click();
    unsaved = false;
  });
  addEventListener("beforeunload", (event) => {
    if (unsaved) event.preventDefault();
  });
  apply();
})();
